#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     In the bitstream filter setts, TB is the time base of the packet's time stamps, as its manual says. So ts=TS+1/TB
#            moves a track by a second, whatever it is copied to.
# Behaviour: TB is the time base of the input, and the time stamps are already in that of the output. Copied from MP4 to MPEG-TS
#            the track moves by 12800 ticks of 90000 instead of 12800.
# Output:    mp4: 1.000000
#            mpegts: 0.142222
# Matters:   Decode times of TS cannot be moved by seconds with it. DURATION, STARTDTS and STARTPTS are in the base of the time
#            stamps, so an expression made of them alone is right.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() { ffmpeg -nostdin -y -v error "$@"; }

run -f lavfi -i color=s=64x64:r=50:d=1 -c:v libx264 -preset ultrafast -bf 0 -video_track_timescale 12800 "$dir/in.mp4"
seen=""
for to in mp4 mpegts; do
	run -i "$dir/in.mp4" -c copy -bsf:v setts=ts=TS+1/TB -copyts -muxdelay 0 -f "$to" "$dir/out"
	first=$(ffprobe -v error -show_entries packet=pts_time -of csv=p=0 "$dir/out" | head -1 | tr -d ,)
	seen="$seen$to: $first
"
done
printf %s "$seen"
[ "$seen" = "mp4: 1.000000
mpegts: 0.142222
" ] || { echo "the behaviour has changed" >&2; exit 1; }
