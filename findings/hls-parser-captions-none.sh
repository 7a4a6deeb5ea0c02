#!/bin/sh
# Package:   hls-parser 0.16.1 (npm)
# Guess:     A multivariant playlist that is parsed and written again says what it said about closed captions.
# Behaviour: CLOSED-CAPTIONS=NONE is parsed to an empty list, which is what a playlist without the attribute gives too. It is not written
#            again. With the option for it, it is written for every playlist, also where it was not.
# Output:    with NONE, default: absent
#            with NONE, allowClosedCaptionsNone: NONE
#            without, allowClosedCaptionsNone: NONE
# Matters:   NONE promises that there are no captions inside the video; without it players look for them, and may offer an empty menu.
#            A proxy with this parser (ad insertion, filters of variants) drops the promise of a server, or makes one for it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" hls-parser@0.16.1 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.mjs" <<'JS'
import HLS from 'hls-parser';

const playlist = (captions) => `#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42c01e"${captions}
video.m3u8
`;
const again = (captions) => {
  const found = HLS.stringify(HLS.parse(playlist(captions))).match(/CLOSED-CAPTIONS=(\w+)/);
  return found ? found[1] : 'absent';
};
console.log('with NONE, default: ' + again(',CLOSED-CAPTIONS=NONE'));
HLS.setOptions({allowClosedCaptionsNone: true});
console.log('with NONE, allowClosedCaptionsNone: ' + again(',CLOSED-CAPTIONS=NONE'));
console.log('without, allowClosedCaptionsNone: ' + again(''));
JS
seen=$(node "$dir/run.mjs")
echo "$seen"
[ "$seen" = 'with NONE, default: absent
with NONE, allowClosedCaptionsNone: NONE
without, allowClosedCaptionsNone: NONE' ] || { echo "the behaviour has changed" >&2; exit 1; }
