#!/bin/sh
# Package:   mediainfo.js 0.3.8 (npm), ffmpeg 7:5.1.9-0+deb12u1 (Debian 12) for the clip
# Guess:     MediaInfo's FrameCount of an MP4 is the number of samples that the track's tables hold.
# Behaviour: It is duration times rate, and the duration has the empty edit with which a late track begins. A video of 50 frames that
#            begins at 1 s is said to have 75, at a constant rate.
# Output:    at 0 s: 50 samples, FrameCount 50, Duration 2, CFR
#            at 1 s: 50 samples, FrameCount 75, Duration 3, CFR
# Matters:   Checks that compare MediaInfo's frame counts of source and result see lost frames where none are, as soon as one of the two
#            files has a track that begins late.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" mediainfo.js@0.3.8 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

ffmpeg -nostdin -v warning -f lavfi -i testsrc2=s=64x64:r=25:d=2 -c:v mpeg4 "$dir/0.mp4"
ffmpeg -nostdin -v warning -f lavfi -i sine=d=3 -c:a aac "$dir/sound.m4a"
ffmpeg -nostdin -v warning -itsoffset 1 -i "$dir/0.mp4" -i "$dir/sound.m4a" -map 0 -map 1 -c copy "$dir/1.mp4"
cat >"$dir/run.mjs" <<'JS'
import {readFileSync} from 'node:fs';
import mediaInfoFactory from 'mediainfo.js';

const mediainfo = await mediaInfoFactory({format: 'object'});
const file = readFileSync(process.argv[2]);
const result = await mediainfo.analyzeData(() => file.length, (size, offset) => file.subarray(offset, offset + size));
const video = result.media.track.find((t) => t['@type'] === 'Video');
console.log(`FrameCount ${video.FrameCount}, Duration ${video.Duration}, ${video.FrameRate_Mode}`);
JS
seen=$(for start in 0 1; do
	samples=$(ffprobe -v error -select_streams v -count_packets -show_entries stream=nb_read_packets -of default=nw=1:nk=1 "$dir/$start.mp4")
	echo "at $start s: $samples samples, $(node "$dir/run.mjs" "$dir/$start.mp4")"
done)
echo "$seen"
[ "$seen" = "at 0 s: 50 samples, FrameCount 50, Duration 2, CFR
at 1 s: 50 samples, FrameCount 75, Duration 3, CFR" ] || { echo "the behaviour has changed" >&2; exit 1; }
