#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     Subtitles that are pictures can be brought to a coarser time base in a filter graph, such as 1/100 for times that are whole
#            frames at 10 a second, and still come with the frame at which they begin.
# Behaviour: They come a frame later. ffmpeg repeats the picture before, here an empty one, a tick before each frame of the video, so
#            that filters have something to go on with. Rounded, that repetition has the time of the next picture and takes its place.
# Output:    as it is: 10
#            in 1/100: 11
# Matters:   Subtitles that are drawn into a picture must keep their time base up to the filter overlay.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

bytes() { for b in "$@"; do printf "\\$(printf %03o "0x$b")"; done; }
at() { echo "50 47 $1 00 00 00 00"; } # a segment at a time in 90 kHz
one="00 01 5f 90" two="00 02 bf 20"
row="00 90 01 00 00" # 16 pixels of colour 1
four="$row $row $row $row"
# Blu-ray subtitles: a white box from second 1 to 2.
# shellcheck disable=SC2046,SC2086
{
	bytes $(at "$one") 16 00 13 00 20 00 20 10 00 00 80 00 00 01 00 00 00 00 00 00 00 00
	bytes $(at "$one") 17 00 0a 01 00 00 00 00 00 00 10 00 10
	bytes $(at "$one") 14 00 07 00 00 01 eb 80 80 ff
	bytes $(at "$one") 15 00 5b 00 00 00 c0 00 00 54 00 10 00 10 $four $four $four $four
	bytes $(at "$one") 80 00 00
	bytes $(at "$two") 16 00 0b 00 20 00 20 10 00 01 00 00 00 00
	bytes $(at "$two") 17 00 0a 01 00 00 00 00 00 00 10 00 10
	bytes $(at "$two") 80 00 00
} >"$dir/box.sup"
ffmpeg -nostdin -v fatal -f lavfi -i color=black:s=32x32:r=10:d=3 -itsoffset 1 -i "$dir/box.sup" -map 0 -map 1 -c:v libx264 -preset ultrafast -c:s copy "$dir/in.mkv"
first() { # number of the first frame that is white
	ffmpeg -nostdin -v fatal -i "$dir/in.mkv" -filter_complex "[0:0]null[b];[0:1]format=yuva420p,$1[s];[b][s]overlay,crop=8:8:0:0,scale=1:1:flags=area,format=gray" -f rawvideo - |
		od -An -v -tu1 -w1 | awk '$1 > 128 { print NR - 1; exit }'
}
seen=$(echo "as it is: $(first null)"; echo "in 1/100: $(first settb=1/100)")
echo "$seen"
[ "$seen" = "as it is: 10
in 1/100: 11" ] || { echo "the behaviour has changed" >&2; exit 1; }
