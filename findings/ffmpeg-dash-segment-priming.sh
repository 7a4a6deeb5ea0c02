#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12) and ffmpeg 7:7.1.5-0+deb13u1 (Debian 13)
# Guess:     A player of DASH that is built on FFmpeg plays sound without gaps: the edit list in the init segment takes the priming off
#            once, where the presentation begins. The stream here is one of FFmpeg's own dash muxer.
# Behaviour: The dash demuxer of 7.1 opens each segment with the init segment before it, and takes the edit list off each of them: 1024
#            samples are missing at every segment, 21 ms of silence or a step of the clock. That of 5.1 takes off none.
# Output:    5.1.9: 385024 samples, 376 frames, 0 holes
#            7.1.5: 380928 samples, 372 frames, 3 holes
# Matters:   What transcodes or checks a DASH stream by FFmpeg 7 finds clicks that are not in it. Decoders told to leave the samples where
#            they are (-flags2 +skip_manual) get all of them; browsers play it right.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
[ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null || { echo "root and debootstrap are needed" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mirror=$(sed -n 's|^URIs: *||p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
debootstrap --variant=minbase --include=ffmpeg trixie "$dir/root" ${mirror:+"$mirror"} >"$dir/log" 2>&1 || { tail -n 3 "$dir/log" >&2; exit 2; }
version=$(chroot "$dir/root" dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:7.1.5-0+deb13u1" ] || { echo "ffmpeg of Debian 13 is $version" >&2; exit 2; }

mkdir "$dir/root/s"
ffmpeg -nostdin -v error -f lavfi -i sine=d=8:r=48000 -c:a aac -seg_duration 2 -f dash "$dir/root/s/m.mpd"
decode() { # decode MANIFEST FFMPEG...: samples, frames, and how often a frame does not follow the one before
	manifest=$1
	shift
	"$@" -nostdin -v error -i "$manifest" -f framecrc - |
		awk -F, '!/^#/ {n += $4; f++; if (f > 1 && $3 != at) h++; at = $3 + $4} END {printf "%d samples, %d frames, %d holes\n", n, f, h}'
}
seen="5.1.9: $(decode "$dir/root/s/m.mpd" ffmpeg)
7.1.5: $(decode /s/m.mpd chroot "$dir/root" ffmpeg)"
echo "$seen"
[ "$seen" = "5.1.9: 385024 samples, 376 frames, 0 holes
7.1.5: 380928 samples, 372 frames, 3 holes" ] || { echo "the behaviour has changed" >&2; exit 1; }
