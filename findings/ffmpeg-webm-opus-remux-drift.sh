#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12; ffmpeg n7.1 in @remotion/compositor-linux-x64-gnu 4.0.529 does the same)
# Guess:     `-c copy` from WebM to WebM leaves the picture where it is against the sound, however often it is done: both files have the
#            same time base and the same CodecDelay.
# Behaviour: Each pass moves the picture 7 ms away from the sound. Opus is read as beginning before 0 by its CodecDelay; the muxer cannot
#            write that, moves all tracks by it, and writes the CodecDelay again. The sound is back where it was, the picture is not.
# Output:    0 passes: picture at 0.007
#            1 passes: picture at 0.014
#            6 passes: picture at 0.049
# Matters:   A file that goes through several remuxes (cut, tagged, made seekable) loses its lip-sync although nothing was encoded. A server
#            that copies has to take the delay into account itself.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

picture() { # picture FILE: when the first frame of its picture is shown, with the first sound that is heard at 0
	ffprobe -v error -select_streams v -show_entries packet=pts_time -read_intervals %+#1 -of csv=p=0 "$1" | sed -n '1s/0*$//p'
}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=r=48000:d=2 -c:v libvpx -deadline realtime -c:a libopus "$dir/0.webm"
for pass in 1 2 3 4 5 6; do
	ffmpeg -nostdin -v error -i "$dir/$((pass - 1)).webm" -c copy "$dir/$pass.webm"
done
seen="0 passes: picture at $(picture "$dir/0.webm")
1 passes: picture at $(picture "$dir/1.webm")
6 passes: picture at $(picture "$dir/6.webm")"
echo "$seen"
[ "$seen" = "0 passes: picture at 0.007
1 passes: picture at 0.014
6 passes: picture at 0.049" ] || { echo "the behaviour has changed" >&2; exit 1; }
