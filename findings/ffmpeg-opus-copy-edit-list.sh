#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     Opus that is copied from Matroska to MP4 gets the edit list that it gets when it is encoded straight into MP4: both containers
#            can say how many samples at the start and at the end do not count, and Matroska's file here says it.
# Behaviour: The copy's edit list begins at 0 and lasts 21 ms longer than the sound. The CodecDelay and DiscardPadding of the source are in
#            it as sound.
# Output:    decoded from Matroska: 96000 samples
#            encoded: edit list of 2000 ms from sample 312
#            copied: edit list of 2021 ms from sample 0
# Matters:   Sound that was cut to the sample (loops, chapters, parts that are played one after the other) begins and ends with padding
#            although only the container has changed. A server has to carry the trim over itself, or encode.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

edits() { # edits FILE: the first entry of its first edit list. Behind the box's name are version and count, 4 bytes each
	at=$(grep -abo elst "$1" | head -n 1 | cut -d : -f 1)
	od -An -td4 --endian=big -j $((at + 12)) -N 8 "$1" | awk '{print "edit list of " $1 " ms from sample " $2}'
}
ffmpeg -nostdin -v error -f lavfi -i sine=d=2:r=48000 -c:a libopus -b:a 64k "$dir/in.mkv"
ffmpeg -nostdin -v error -f lavfi -i sine=d=2:r=48000 -c:a libopus -b:a 64k "$dir/encoded.mp4"
ffmpeg -nostdin -v error -i "$dir/in.mkv" -c copy "$dir/copied.mp4"
samples=$(ffmpeg -nostdin -v error -i "$dir/in.mkv" -ac 1 -f s16le - | wc -c)
seen="decoded from Matroska: $((samples / 2)) samples
encoded: $(edits "$dir/encoded.mp4")
copied: $(edits "$dir/copied.mp4")"
echo "$seen"
[ "$seen" = "decoded from Matroska: 96000 samples
encoded: edit list of 2000 ms from sample 312
copied: edit list of 2021 ms from sample 0" ] || { echo "the behaviour has changed" >&2; exit 1; }
