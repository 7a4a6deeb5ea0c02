#!/bin/sh
# Package:   hls-parser 0.16.1 (npm)
# Guess:     A playlist that is read and written again says of its parts what it said before. EXT-X-KEY counts from where it stands
#            (RFC 8216, 4.3.2.4), so an init segment whose EXT-X-MAP stands before the key is not encrypted.
# Behaviour: The key is written before the map. The init segment, which is clear, is declared as encrypted with AES-128.
# Output:    read: EXT-X-MAP EXT-X-KEY
#            written: EXT-X-KEY EXT-X-MAP
# Matters:   Whoever edits playlists with it (changes addresses, inserts a break) turns a stream that plays into one whose init segment
#            players decrypt to noise. Packagers put a clear init segment before the key, as most players expect it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" hls-parser@0.16.1 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.cjs" <<'JS'
const HLS = require('hls-parser');
const text = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="init.mp4"
#EXT-X-KEY:METHOD=AES-128,URI="key.bin",IV=0x00000000000000000000000000000001
#EXTINF:4,
1.m4s
#EXTINF:4,
2.m4s
#EXT-X-ENDLIST
`;
const order = (playlist) => playlist.match(/EXT-X-(?:KEY|MAP)/g).join(' ');
console.log('read: ' + order(text));
console.log('written: ' + order(HLS.stringify(HLS.parse(text))));
JS
seen=$(node "$dir/run.cjs")
echo "$seen"
[ "$seen" = 'read: EXT-X-MAP EXT-X-KEY
written: EXT-X-KEY EXT-X-MAP' ] || { echo "the behaviour has changed" >&2; exit 1; }
