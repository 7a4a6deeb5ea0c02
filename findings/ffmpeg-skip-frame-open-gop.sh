#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12)
# Guess:     -skip_frame nokey decodes the keyframes of a file, as many as the container marks.
# Behaviour: So it is where they are IDR pictures. Of H.264 with open GOPs (x264 open-gop=1), whose keyframes are I-frames with a
#            recovery point, one of four comes out and no error is printed. After a seek each of them is decoded.
# Output:    IDR: 4 marked, 4 decoded
#            open: 4 marked, 1 decoded
# Matters:   Thumbnails from keyframes alone are missing without a word. Count them, and decode all frames where some are missing.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# count NAME PARAMS: how many keyframes are marked, and how many come out.
count() {
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x36:r=10:d=8 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -threads 1 \
    -x264-params "keyint=25:scenecut=0:bframes=2:b-adapt=0:$2" "$dir/$1.mp4"
  marked=$(ffprobe -v error -show_entries packet=flags -of csv=p=0 "$dir/$1.mp4" | grep -c K)
  out=$(ffmpeg -nostdin -v error -threads 1 -skip_frame nokey -i "$dir/$1.mp4" -f framecrc - | grep -c '^0,')
  echo "$1: $marked marked, $out decoded"
}
seen="$(count IDR open-gop=0)
$(count open open-gop=1)"
echo "$seen"
[ "$seen" = "IDR: 4 marked, 4 decoded
open: 4 marked, 1 decoded" ] || { echo "the behaviour has changed" >&2; exit 1; }
