#!/bin/sh
# Package:   hls-parser 0.16.1 (npm)
# Guess:     Of two EXT-X-KEY tags with different KEYFORMATs before a segment both are kept: they are two ways to the same key, and players
#            take the one that they know (RFC 8216, 4.3.2.4).
# Behaviour: The last one replaces the others, without a message, in what is read and in what is written again.
# Output:    keys in the playlist: 2
#            keys of the first segment: urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed
#            keys written: 1
# Matters:   A stream for several DRM systems that passes through it plays with one of them only: here FairPlay's key is gone, and Safari
#            cannot play what it played before.
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
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key-of-fairplay",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,AAAA",KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",KEYFORMATVERSIONS="1"
#EXTINF:4,
1.m4s
#EXT-X-ENDLIST
`;
const count = (playlist) => playlist.match(/EXT-X-KEY/g).length;
const playlist = HLS.parse(text);
console.log('keys in the playlist: ' + count(text));
console.log('keys of the first segment: ' + [playlist.segments[0].key].flat().map((key) => key.format).join(', '));
console.log('keys written: ' + count(HLS.stringify(playlist)));
JS
seen=$(node "$dir/run.cjs")
echo "$seen"
[ "$seen" = 'keys in the playlist: 2
keys of the first segment: urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed
keys written: 1' ] || { echo "the behaviour has changed" >&2; exit 1; }
