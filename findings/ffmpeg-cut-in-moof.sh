#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     Of a recording in fragmented MP4 whose program has crashed, everything before the last fragment can be played, wherever the
#            file ends: that is what fragments are for.
# Behaviour: Where the file ends inside of a fragment's media, ffmpeg reads all that is there, the last frame in part. Where it ends inside of a fragment's head
#            (moof), it opens the file not at all, though 19 whole fragments come before.
# Output:    ends in the media: 500 frames
#            ends in the head: 0 frames
#            the same without the broken head: 475 frames
# Matters:   A server that is given recordings should call such a file not complete, and not a file of no media. Whoever wants to save it cuts
#            off the last box.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

frames() { # frames FILE: how many frames ffmpeg reads of it
	ffmpeg -nostdin -v quiet -i "$1" -c copy -f framecrc - | grep -vc '^#' || true
}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=128x72:r=25:d=20 -c:v libx264 -preset ultrafast -g 25 \
	-movflags +frag_keyframe+empty_moov+default_base_moof+skip_trailer "$dir/in.mp4"
# The type of a box stands 4 bytes behind its start (ISO/IEC 14496-12 section 4.2).
moof=$(($(grep -abo moof "$dir/in.mp4" | tail -n 1 | cut -d : -f 1) - 4))
head -c -50 "$dir/in.mp4" >"$dir/media.mp4"
head -c $((moof + 100)) "$dir/in.mp4" >"$dir/head.mp4"
head -c "$moof" "$dir/in.mp4" >"$dir/whole.mp4"
seen="ends in the media: $(frames "$dir/media.mp4") frames
ends in the head: $(frames "$dir/head.mp4") frames
the same without the broken head: $(frames "$dir/whole.mp4") frames"
echo "$seen"
[ "$seen" = "ends in the media: 500 frames
ends in the head: 0 frames
the same without the broken head: 475 frames" ] || { echo "the behaviour has changed" >&2; exit 1; }
