#!/bin/sh
# Package:   mpd-parser 1.4.0 (npm; the DASH parser of Video.js)
# Guess:     Subtitles are listed as audio is: adaptation sets of one language with different roles are tracks of their own.
# Behaviour: Audio is listed by language and role, subtitles by language alone. The sets main, caption and forced-subtitle of a language
#            become one track with three playlists, as if they were three bitrates of the same text. Their roles are gone.
# Output:    AUDIO: "en (main)" a1; "en (commentary)" a2
#            SUBTITLES: "en" s1,s2,s3
# Matters:   Roles are right in the manifest, and still the viewer cannot choose captions for the hard of hearing. A Label that differs
#            is needed beside the Role.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" mpd-parser@1.4.0 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.mjs" <<'JS'
import {parse} from 'mpd-parser';

const set = (type, id, role, inner) => `<AdaptationSet mimeType="${type}" lang="en">
  <Role schemeIdUri="urn:mpeg:dash:role:2011" value="${role}"/>
  <Representation id="${id}" bandwidth="64000"${inner}</Representation></AdaptationSet>`;
const audio = (id, role) => set('audio/mp4', id, role, ` codecs="mp4a.40.2" audioSamplingRate="48000">
  <SegmentTemplate timescale="1" duration="4" startNumber="1" initialization="${id}.mp4" media="${id}-$Number$.m4s"/>`);
const text = (id, role) => set('text/vtt', id, role, `><BaseURL>${id}.vtt</BaseURL>`);
const manifest = parse(`<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"
  mediaPresentationDuration="PT12S" minBufferTime="PT2S"><Period>
${audio('a1', 'main')}${audio('a2', 'commentary')}
${text('s1', 'main')}${text('s2', 'caption')}${text('s3', 'forced-subtitle')}
</Period></MPD>`, {manifestUri: 'stream.mpd'});
for (const kind of ['AUDIO', 'SUBTITLES']) {
  const tracks = Object.values(manifest.mediaGroups[kind]).flatMap(Object.entries);
  console.log(kind + ': ' + tracks.map(([name, t]) => `"${name}" ${t.playlists.map((p) => p.attributes.NAME)}`).join('; '));
}
JS
seen=$(node "$dir/run.mjs")
echo "$seen"
[ "$seen" = 'AUDIO: "en (main)" a1; "en (commentary)" a2
SUBTITLES: "en" s1,s2,s3' ] || { echo "the behaviour has changed" >&2; exit 1; }
