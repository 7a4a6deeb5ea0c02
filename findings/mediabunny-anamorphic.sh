#!/bin/sh
# Package:   mediabunny 1.61.0 (npm), ffmpeg 7:5.1.9-0+deb12u1 (Debian 12; makes and reads the files)
# Guess:     A conversion from MP4 to MP4 that copies all packets keeps the pixel aspect ratio of 4:3 that the file states.
# Behaviour: It becomes 427:320. The library carries a display size in whole pixels (320 x 4/3 = 426.67, so 427) and makes the ratio anew.
# Output:    source: 4:3
#            copy: 427:320
# Matters:   Ratios like 427:320 are what a server gets to see of anamorphic sources that passed through a browser. Square pixels and known
#            shapes (16:9) have to be recognised with a tolerance, or each output gets an odd shape of its own.
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
const output = new mb.Output({format: new mb.Mp4OutputFormat(), target: new mb.BufferTarget()});
const conversion = await mb.Conversion.init({input, output});
await conversion.execute();
fs.writeFileSync(to, Buffer.from(output.target.buffer));
JS
aspect() {
	ffprobe -v error -select_streams v -show_entries stream=sample_aspect_ratio -of csv=p=0 "$1" | tr -d ,
}
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=1 -vf setsar=4/3 -c:v libx264 -preset ultrafast "$dir/in.mp4"
node "$dir/run.mjs" "$dir/in.mp4" "$dir/out.mp4"
seen="source: $(aspect "$dir/in.mp4")
copy: $(aspect "$dir/out.mp4")"
echo "$seen"
[ "$seen" = "source: 4:3
copy: 427:320" ] || { echo "the behaviour has changed" >&2; exit 1; }
