#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12; ffmpeg n7.1 in @remotion/compositor-linux-x64-gnu 4.0.529 does the same)
# Guess:     A second of sound that libvorbis has written to Ogg is a second when it is decoded: the last page's granule position says
#            44100 samples, and oggdec of vorbis-tools gives 44100.
# Behaviour: ffmpeg gives 43972. The first packet, of which Vorbis makes no sound, is counted as 128 samples, so that all sound is said to
#            be 128 samples late, and what then lies behind the end is cut off. The first samples are the right ones, the last are missing.
# Output:    encoded: 44100
#            granule position of the end: 44100
#            decoded: 43972
#            first sound at 128
# Matters:   Each generation through Vorbis loses the last 2.9 ms and is 2.9 ms late against a picture; a loop clicks. Whoever checks that
#            an output is as long as its source to the sample has to know it.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

samples() { # samples FILE: how many samples ffmpeg decodes of it
	echo $(($(ffmpeg -nostdin -v error -i "$1" -ac 1 -f s16le - | wc -c) / 2))
}
ffmpeg -nostdin -v error -f lavfi -i sine=d=1:r=44100 -c:a pcm_s16le "$dir/in.wav"
ffmpeg -nostdin -v error -i "$dir/in.wav" -c:a libvorbis "$dir/out.ogg"
# RFC 3533: the granule position is 8 bytes long and stands 6 bytes behind the start of a page.
page=$(grep -abo OggS "$dir/out.ogg" | tail -n 1 | cut -d : -f 1)
granule=$(od -An -td8 --endian=little -j $((page + 6)) -N 8 "$dir/out.ogg" | tr -d ' ')
first=$(ffprobe -v error -show_entries frame=pts -read_intervals %+#2 -of csv=p=0 "$dir/out.ogg" | sed -n 1p)
seen="encoded: $(samples "$dir/in.wav")
granule position of the end: $granule
decoded: $(samples "$dir/out.ogg")
first sound at $first"
echo "$seen"
[ "$seen" = "encoded: 44100
granule position of the end: 44100
decoded: 43972
first sound at 128" ] || { echo "the behaviour has changed" >&2; exit 1; }
