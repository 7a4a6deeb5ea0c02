#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     An MP4 that is cut between two frames by its edit list (-ss with -c copy, or the scissors of a phone) keeps picture and
#            sound in step: the frame on screen at the cut is shown for the rest of its time.
# Behaviour: FFmpeg drops that frame and moves all others of the picture back until the first one is at 0
#            (min_corrected_pts in libavformat/mov.c). The sound stays. The picture is early by up to a frame, here by 90 ms.
#            GStreamer 1.22 shows flash and beep together.
# Output:    whole: flash 3.00, beep 3.00
#            cut at 1.31: flash 1.60, beep 1.69
# Matters:   Everything that is decoded by FFmpeg is out of step by that, and no probe tells.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() { ffmpeg -nostdin -y -v error "$@"; }
flash() {
	run -i "$1" -map 0:v -vf 'signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-' -f null - |
		awk '/pts_time/ { sub(/.*pts_time:/, ""); at = $1 } /YAVG/ { sub(/.*=/, ""); if ($1 > 120) { printf "%.2f", at; exit } }'
}
beep() {
	run -i "$1" -map 0:a -af 'silencedetect=n=-30dB:d=0.3,ametadata=print:key=lavfi.silence_end:file=-' -f null - |
		awk -F= '/silence_end/ { printf "%.2f", $2; exit }'
}

run -f lavfi -i "color=black:s=64x36:r=10:d=6,drawbox=c=white:t=fill:enable='gte(t,3)*lt(t,3.3)'" \
	-f lavfi -i "aevalsrc='if(gte(t,3)*lt(t,3.3),sin(6283*t),0)':s=48000:d=6" -c:v libx264 -g 100 -c:a aac "$dir/whole.mp4"
run -ss 1.31 -i "$dir/whole.mp4" -c copy "$dir/cut.mp4"
seen="whole: flash $(flash "$dir/whole.mp4"), beep $(beep "$dir/whole.mp4")
cut at 1.31: flash $(flash "$dir/cut.mp4"), beep $(beep "$dir/cut.mp4")"
echo "$seen"
[ "$seen" = "whole: flash 3.00, beep 3.00
cut at 1.31: flash 1.60, beep 1.69" ] || { echo "the behaviour has changed" >&2; exit 1; }
