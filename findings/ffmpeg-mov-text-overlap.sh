#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     Two cues that overlap keep their times in an MP4's text track, or the muxer writes both texts into the samples of the
#            overlap, as the format would let it.
# Behaviour: The earlier cue ends where the later one begins. The rest of it is gone, and nothing is said. ffmpeg 7.1.5 does the same.
# Output:    before:
#            00:00:01,000 --> 00:00:06,000
#            00:00:03,000 --> 00:00:04,000
#            after:
#            00:00:01,000 --> 00:00:03,000
#            00:00:03,000 --> 00:00:04,000
# Matters:   A caption of a sign that stays in the picture while somebody speaks loses most of its time. A server has to split
#            overlapping cues before it writes such a track.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat >"$dir/in.srt" <<'SRT'
1
00:00:01,000 --> 00:00:06,000
long

2
00:00:03,000 --> 00:00:04,000
short

SRT
ffmpeg -nostdin -v warning -i "$dir/in.srt" -c:s mov_text "$dir/text.mp4"
ffmpeg -nostdin -v warning -i "$dir/text.mp4" "$dir/out.srt"
seen=$(echo before:; grep -e '-->' "$dir/in.srt"; echo after:; grep -e '-->' "$dir/out.srt")
echo "$seen"
[ "$seen" = "before:
00:00:01,000 --> 00:00:06,000
00:00:03,000 --> 00:00:04,000
after:
00:00:01,000 --> 00:00:03,000
00:00:03,000 --> 00:00:04,000" ] || { echo "the behaviour has changed" >&2; exit 1; }
