#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     A STYLE block in a WebVTT file is skipped, as a NOTE is: the text of the cues does not depend on it.
# Behaviour: The file is recognised as WebVTT, and no cue is read. What is written is empty, and the exit status is 0. ffmpeg 7.1.5 reads
#            the cues.
# Output:    plain: exit 0, 2 cues
#            with NOTE: exit 0, 2 cues
#            with STYLE: exit 0, 0 cues
# Matters:   A server that trusts the exit status delivers subtitles without a word in them. It must count the cues itself.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cues='00:01.000 --> 00:02.000
one

00:03.000 --> 00:04.000
two'
printf 'WEBVTT\n\n%s\n' "$cues" >"$dir/plain.vtt"
printf 'WEBVTT\n\nNOTE a remark\n\n%s\n' "$cues" >"$dir/note.vtt"
printf 'WEBVTT\n\nSTYLE\n::cue { color: red }\n\n%s\n' "$cues" >"$dir/style.vtt"

convert() { # convert NAME LABEL
	status=0
	ffmpeg -nostdin -y -v error -i "$dir/$1.vtt" "$dir/$1.srt" || status=$?
	echo "$2: exit $status, $(grep -c -e '-->' "$dir/$1.srt" || true) cues"
}
seen=$(convert plain plain; convert note "with NOTE"; convert style "with STYLE")
echo "$seen"
[ "$seen" = "plain: exit 0, 2 cues
with NOTE: exit 0, 2 cues
with STYLE: exit 0, 0 cues" ] || { echo "the behaviour has changed" >&2; exit 1; }
