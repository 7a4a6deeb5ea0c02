#!/bin/sh
# Package:   mediabunny 1.61.0 (npm), ffmpeg 7:5.1.9-0+deb12u1 (Debian 12; makes and reads the files)
# Guess:     A conversion from WebM to WebM that copies all packets keeps the CodecDelay of Opus: the library writes one itself when it
#            encodes, and the sound is only in step with the picture when it is there.
# Behaviour: The copy has no CodecDelay and the same block time stamps, so the sound is 7 ms later against the picture than it was.
# Output:    source: picture at 0.007, sound from -0.007
#            copy: picture at 0.007, sound from 0.000
# Matters:   Recordings that are trimmed or repaired in the browser before they are uploaded arrive without the delay. A server cannot see
#            that: the Opus header's pre-skip is still there, so the pre-skip has to count when the container is silent.
set -eu
version=$(dpkg-query -W -f '${Version}' ffmpeg)
[ "$version" = "7:5.1.9-0+deb12u1" ] || { echo "ffmpeg is $version" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" mediabunny@1.61.0 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.mjs" <<'JS'
import fs from 'node:fs';
import * as mb from 'mediabunny';

const [from, to] = process.argv.slice(2);
const input = new mb.Input({formats: mb.ALL_FORMATS, source: new mb.BufferSource(fs.readFileSync(from))});
const output = new mb.Output({format: new mb.WebMOutputFormat(), target: new mb.BufferTarget()});
const conversion = await mb.Conversion.init({input, output});
if (conversion.discardedTracks.length) throw new Error('a track is left out');
await conversion.execute();
fs.writeFileSync(to, Buffer.from(output.target.buffer));
JS
first() { # first FILE STREAM: the time of its first packet
	ffprobe -v error -select_streams "$2" -show_entries packet=pts_time -read_intervals %+#1 -of csv=p=0 "$1" | sed -n '1s/000,*$//p'
}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=r=48000:d=2 -c:v libvpx -deadline realtime -c:a libopus "$dir/in.webm"
node "$dir/run.mjs" "$dir/in.webm" "$dir/out.webm"
seen="source: picture at $(first "$dir/in.webm" v), sound from $(first "$dir/in.webm" a)
copy: picture at $(first "$dir/out.webm" v), sound from $(first "$dir/out.webm" a)"
echo "$seen"
[ "$seen" = "source: picture at 0.007, sound from -0.007
copy: picture at 0.007, sound from 0.000" ] || { echo "the behaviour has changed" >&2; exit 1; }
