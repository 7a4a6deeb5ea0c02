#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12) and ffmpeg 7:7.1.5-0+deb13u1 (Debian 13), with their x264 and x265
# Guess:     setpts that moves all frames by the same time leaves a video of 25 frames a second one of 25 frames a second: the same level, and
#            the bitrate that was asked for.
# Behaviour: In 7.1 the frame rate is unknown behind setpts, and encoders take the time base for it. Counted in 1/90000 s, x264 writes the
#            level for the largest frames there are, and x265 a tenth of the bitrate. Without a warning, and with exit status 0.
# Output:    5.1.9 libx264: level 30, about 300 kbit/s
#            5.1.9 libx265: level 63, about 300 kbit/s
#            7.1.5 libx264: level 62, about 230 kbit/s
#            7.1.5 libx265: level 186, about 40 kbit/s
# Matters:   Phones and sets refuse a 360p video of level 6.2. What keeps the phase of frames by setpts has to tell the encoder the rate, as
#            -x264-params fps=25/1 does.
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

encode() { # encode FOLDER ENCODER FFMPEG...: its level and kbit/s. The folder is that of ffmpeg
	out=$1/out.mp4
	encoder=$2
	shift 2
	"$@" -nostdin -v error -y -f lavfi -i testsrc2=s=640x360:r=25:d=6 -vf settb=1/90000,setpts=PTS+1170 -fps_mode passthrough \
		-c:v "$encoder" -preset veryfast -threads 1 -b:v 300k "$out" 2>/dev/null
}
report() { # report FILE
	ffprobe -v error -show_entries stream=level,bit_rate -of csv=p=0 "$1" | awk -F, '{printf "level %d, about %.0f0 kbit/s\n", $1, $2 / 10000}'
}
seen=
for encoder in libx264 libx265; do
	encode "$dir" "$encoder" ffmpeg
	seen="${seen}5.1.9 $encoder: $(report "$dir/out.mp4")
"
done
for encoder in libx264 libx265; do
	encode /tmp "$encoder" chroot "$dir/root" ffmpeg
	seen="${seen}7.1.5 $encoder: $(report "$dir/root/tmp/out.mp4")
"
done
printf %s "$seen"
[ "$seen" = "5.1.9 libx264: level 30, about 300 kbit/s
5.1.9 libx265: level 63, about 300 kbit/s
7.1.5 libx264: level 62, about 230 kbit/s
7.1.5 libx265: level 186, about 40 kbit/s
" ] || { echo "the behaviour has changed" >&2; exit 1; }
