#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 with libvpx7 1.12.0-1+deb12u5 (Debian 12)
# Guess:     `-tune-content screen` makes VP9 of a page of text smaller, as screen content modes do in HEVC and AV1; ffmpeg's help says
#            "Screen capture content" beside "Film content; improves grain retention", of which the latter works.
# Behaviour: In the modes for files (`-deadline good` and `best`) it changes no byte of the result, at any speed. It only counts in
#            `-deadline realtime` from `-cpu-used` 5 on, where `film` does not.
# Output:    good, 1: screen changes nothing, film changes the result
#            good, 5: screen changes nothing, film changes the result
#            realtime, 1: screen changes nothing, film changes the result
#            realtime, 5: screen changes the result, film changes nothing
# Matters:   A service that offers "screen" for VP9 files offers nothing. For recordings of screens take AV1, whose screen content mode
#            (`scm=1` of SVT-AV1) more than halves a page of text that scrolls.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
version=$(dpkg-query -W -f '${Version}' libvpx7)
[ "$version" = "1.12.0-1+deb12u5" ] || { echo "libvpx is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

{
	echo "A page of text, as a screen shows it."
	for n in $(seq 40); do echo "line $n: the quick brown fox jumps over the lazy dog, $((n * 7919)) times"; done
} >"$dir/page.txt"
ffmpeg -nostdin -v error -f lavfi -i color=white:s=480x270:r=25 -t 1 -pix_fmt yuv420p \
	-vf "drawtext=textfile=$dir/page.txt:font=Mono:fontsize=13:x=8:y='8-floor(t*4)*45'" "$dir/screen.y4m"

encode() { # encode DEADLINE SPEED CONTENT
	ffmpeg -nostdin -v error -i "$dir/screen.y4m" -c:v libvpx-vp9 -threads 1 -deadline "$1" -cpu-used "$2" -crf 35 -b:v 0 \
		-tune-content "$3" -f md5 -
}
compare() { # compare DEADLINE SPEED
	plain=$(encode "$1" "$2" default)
	for content in screen film; do
		if [ "$(encode "$1" "$2" $content)" = "$plain" ]; then echo "$content changes nothing"; else echo "$content changes the result"; fi
	done | paste -sd , | sed "s/,/, /; s/^/$1, $2: /"
}
seen=$(for deadline in good realtime; do for speed in 1 5; do compare $deadline $speed; done; done)
echo "$seen"
[ "$seen" = "good, 1: screen changes nothing, film changes the result
good, 5: screen changes nothing, film changes the result
realtime, 1: screen changes nothing, film changes the result
realtime, 5: screen changes the result, film changes nothing" ] || { echo "the behaviour has changed" >&2; exit 1; }
