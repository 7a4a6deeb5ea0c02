#!/bin/sh
# Package:   ffmpeg 7:5.1.9-0+deb12u1 (Debian 12); the input is made by shaka-packager 3.4.2 (npm)
# Guess:     With the right -decryption_key, an encrypted track of fragmented MP4 decodes alike from a file and from a pipe.
# Behaviour: From a pipe all frames come. From a file without an index (sidx, mfra) none does: ffmpeg reads all fragments' headers at
#            the start, and then takes the initialisation vectors of one fragment for the frames of another. One fragment is fine.
# Output:    from a pipe: 150 frames
#            from a file: 0 frames
# Matters:   Whoever joins segments of a protected stream and checks them with ffmpeg takes a good stream for a broken one. Segments do
#            not have an index when playlists describe them.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" shaka-packager@3.4.2 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }
packager="$dir/node_modules/shaka-packager/bin/packager-linux-x64"
chmod +x "$packager"
cd "$dir"

key=0f1e2d3c4b5a69788796a5b4c3d2e1f0
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90:d=6:r=25 -c:v libx264 -g 50 clear.mp4
# shellcheck disable=SC2016 # $Number$ is the packager's
"$packager" 'in=clear.mp4,stream=video,init_segment=init.mp4,segment_template=$Number$.m4s' --segment_duration 2 --generate_sidx_in_media_segments=false \
	--enable_raw_key_encryption --protection_scheme cenc --clear_lead 0 --keys "label=:key_id=00112233445566778899aabbccddeeff:key=$key" >packager.log 2>&1
cat init.mp4 1.m4s 2.m4s 3.m4s >joined.mp4
frames() { ffmpeg -nostdin -v quiet -decryption_key "$key" -i "$1" -f framemd5 - | grep -vc '^#' || true; }
seen="from a pipe: $(frames pipe:0 <joined.mp4) frames
from a file: $(frames joined.mp4) frames"
echo "$seen"
[ "$seen" = "from a pipe: 150 frames
from a file: 0 frames" ] || { echo "the behaviour has changed" >&2; exit 1; }
