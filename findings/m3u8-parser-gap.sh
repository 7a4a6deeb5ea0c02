#!/bin/sh
# Package:   m3u8-parser 7.2.0 (npm; the HLS parser of Video.js)
# Guess:     A parser that knows version 8 playlists (EXT-X-DEFINE) and the GAP attribute of EXT-X-PART marks a segment behind EXT-X-GAP.
# Behaviour: The tag is dropped without an event. The segment that is not there looks like any other. EXT-X-DEFINE in the same playlist
#            is carried out.
# Output:    a.ts: duration, uri, timeline
#            b.ts: duration, uri, timeline
#            warnings: 0
# Matters:   A server that marks a hole in a source with EXT-X-GAP, as the standard wants it, makes this player fetch what answers 404.
#            It is safer to fill holes.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" m3u8-parser@7.2.0 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.mjs" <<'JS'
import {Parser} from 'm3u8-parser';

const parser = new Parser();
let warnings = 0;
parser.on('warn', () => warnings++);
parser.push(`#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:4
#EXT-X-DEFINE:NAME="second",VALUE="b"
#EXTINF:4,
a.ts
#EXT-X-GAP
#EXTINF:4,
{$second}.ts
#EXT-X-ENDLIST
`);
parser.end();
for (const s of parser.manifest.segments) console.log(`${s.uri}: ${Object.keys(s).join(', ')}`);
console.log('warnings: ' + warnings);
JS
seen=$(node "$dir/run.mjs")
echo "$seen"
[ "$seen" = 'a.ts: duration, uri, timeline
b.ts: duration, uri, timeline
warnings: 0' ] || { echo "the behaviour has changed" >&2; exit 1; }
