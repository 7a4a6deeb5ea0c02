#!/bin/sh
# Package:   node-webvtt 1.9.4 (npm)
# Guess:     hlsSegment(text, 10) cuts at every 10 s. Where nobody speaks there is a segment without a cue, as RFC 8216, 3.5 allows.
# Behaviour: A segment without a cue is never made. The one that holds the next cue begins where the last one ended, and is as long as
#            the silence: 32 s with cues at 1 s and 41 s, and the playlist's target duration is 32 s as well.
# Output:    10.00000 0.vtt
#            32.00000 1.vtt
#            target 32
# Matters:   Subtitles cut by it do not line up with video segments of 10 s, neither by number nor by target duration. Who cuts WebVTT
#            for HLS has to write the empty segments too, and must take the end from the video rather than from the last cue.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" node-webvtt@1.9.4 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.mjs" <<'JS'
import webvtt from 'node-webvtt';

const text = 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nA\n\n00:00:41.000 --> 00:00:42.000\nB\n';
const playlist = webvtt.hls.hlsSegmentPlaylist(text, 10);
for (const [, length, name] of playlist.matchAll(/#EXTINF:([\d.]+),\n(\S+)/g)) console.log(length, name);
console.log('target', playlist.match(/TARGETDURATION:(\d+)/)[1]);
if (webvtt.hls.hlsSegment(text, 10).length !== 2) console.log('the files are others than those of the playlist');
JS
seen=$(node "$dir/run.mjs")
echo "$seen"
[ "$seen" = '10.00000 0.vtt
32.00000 1.vtt
target 32' ] || { echo "the behaviour has changed" >&2; exit 1; }
