#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     The length of two transport streams joined with cat is their sum, or last time minus first: something that depends on which
#            of them comes first.
# Behaviour: ffprobe says the length of the longer part in either order, while a copy of the packets, which mends the jump of the time
#            stamps, is as long as the sum. ffprobe 7.1.5 says the same.
# Output:    4 s + 2 s: ffprobe 4.0, packets 6.0
#            2 s + 4 s: ffprobe 4.0, packets 6.0
# Matters:   A recorder that was restarted writes such files. Whoever plans pictures, disk space or progress from the duration that
#            ffprobe says leaves out a part of the film.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

part() { # part SECONDS NAME
	ffmpeg -nostdin -v warning -f lavfi -i "testsrc2=s=128x72:r=25:d=$1" -f lavfi -i "sine=d=$1:r=48000" \
		-c:v mpeg2video -c:a mp2 "$dir/$2.ts"
}
lengths() { # lengths NAME: of the file as ffprobe says, and to the end of the last packet of sound
	probed=$(ffprobe -v error -show_entries format=duration -of default=nw=1:nk=1 "$dir/$1.ts")
	# framecrc's fields: stream, dts, pts, duration, in 1/90000 s
	ffmpeg -nostdin -v error -i "$dir/$1.ts" -map 0:a -c copy -f framecrc "$dir/$1.crc"
	awk -F, -v probed="$probed" '!/^#/ {if ($3 + $4 > end) end = $3 + $4; if (first == "") first = $3}
		END {printf "ffprobe %.1f, packets %.1f\n", probed, (end - first) / 90000}' "$dir/$1.crc"
}
part 4 four
part 2 two
cat "$dir/four.ts" "$dir/two.ts" >"$dir/fourtwo.ts"
cat "$dir/two.ts" "$dir/four.ts" >"$dir/twofour.ts"
seen="4 s + 2 s: $(lengths fourtwo)
2 s + 4 s: $(lengths twofour)"
echo "$seen"
[ "$seen" = "4 s + 2 s: ffprobe 4.0, packets 6.0
2 s + 4 s: ffprobe 4.0, packets 6.0" ] || { echo "the behaviour has changed" >&2; exit 1; }
