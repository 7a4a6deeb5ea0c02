#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     -fps_mode vfr keeps the time of each frame, and drops a frame only where two have the same time.
# Behaviour: Times are rounded to the encoder's time base. Without -enc_time_base that is 1/avg_frame_rate for a file whose
#            r_frame_rate is its time scale. Here 38 of 186 frames fall onto a neighbour and are dropped. ffmpeg 7.1.5 drops as many.
# Output:    r_frame_rate 30000/1, frames 186
#            vfr: frames 148
#            vfr, enc_time_base -1: frames 186
# Matters:   Recordings of browsers and files of converters that keep a variable rate are of this kind. A transcode loses a fifth of the
#            frames, and the others are up to half a mean frame away from the sound.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() { ffmpeg -nostdin -y -v error "$@"; }
frames() { ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of default=nw=1:nk=1 "$1"; }

# 30 frames a second with a gap, each frame up to 13 ms late
run -f lavfi -i testsrc2=s=128x72:r=30:d=8 \
	-vf "settb=1/30000,select='lt(t,3)+gte(t,5)+not(mod(n,10))',setpts='PTS+floor(random(1)*400)'" \
	-fps_mode passthrough -enc_time_base 1/30000 -c:v mpeg4 -bf 0 -video_track_timescale 30000 "$dir/in.mp4"
run -i "$dir/in.mp4" -fps_mode vfr -c:v mjpeg "$dir/default.mov"
run -i "$dir/in.mp4" -fps_mode vfr -enc_time_base -1 -c:v mjpeg "$dir/base.mov"
seen="r_frame_rate $(ffprobe -v error -show_entries stream=r_frame_rate -of default=nw=1:nk=1 "$dir/in.mp4"), frames $(frames "$dir/in.mp4")
vfr: frames $(frames "$dir/default.mov")
vfr, enc_time_base -1: frames $(frames "$dir/base.mov")"
echo "$seen"
[ "$seen" = "r_frame_rate 30000/1, frames 186
vfr: frames 148
vfr, enc_time_base -1: frames 186" ] || { echo "the behaviour has changed" >&2; exit 1; }
