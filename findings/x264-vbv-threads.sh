#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 with libx264-164 2:0.164.3095+gitbaee400-3 (Debian 12)
# Guess:     x264 makes the same bytes of the same frames with the same options, however many threads it has: that is its default, and an
#            option, non-deterministic, gives it up.
# Behaviour: With a maxrate and a buffer, encodes of the same film on two cores differ from one another: 25 runs gave 13 results. Without
#            the buffer, or with one thread, they are the same.
# Output:    with a buffer: several results
#            with a buffer and one thread: one result
#            without: one result
# Matters:   What is made again after a crash does not fit what was stored of it before, byte for byte. A cache has to go by what goes
#            in, and a test that compares two encodes has to give the encoder one thread or leave out the maxrate.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
version=$(dpkg-query -W -f '${Version}' libx264-164)
[ "$version" = "2:0.164.3095+gitbaee400-3" ] || { echo "libx264 is $version" >&2; exit 2; }
[ "$(nproc)" -ge 2 ] || { echo "a single core has a single thread" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

results() { # results OPTION...: whether 40 encodes give one result or several
	for _ in $(seq 40); do
		ffmpeg -nostdin -v error -y -i "$dir/in.mp4" -vf scale=160:90 -c:v libx264 -preset superfast -crf 26 "$@" -f h264 - | md5sum
	done | sort -u | wc -l | awk '{print ($1 == 1 ? "one result" : "several results")}'
}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=7 -c:v libx264 -qp 10 -preset ultrafast "$dir/in.mp4"
buffer="-maxrate 200k -bufsize 400k -rc_init_occupancy 100k"
seen="with a buffer: $(results $buffer)
with a buffer and one thread: $(results $buffer -threads 1)
without: $(results)"
echo "$seen"
[ "$seen" = "with a buffer: several results
with a buffer and one thread: one result
without: one result" ] || { echo "the behaviour has changed" >&2; exit 1; }
