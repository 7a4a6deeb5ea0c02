#!/bin/sh
# Package:   s3rver 3.7.1 (npm; an S3 server for tests)
# Guess:     "Range: bytes=-3" gives the last three bytes, as RFC 9110 section 14.1.2 says, or the whole object, as a server may that
#            knows no suffix ranges.
# Behaviour: It gives 206 with bytes 0 to 3: the first four.
# Output:    bytes=-3: 206, bytes 0-3/10, 0123
#            bytes=7-9: 206, bytes 7-9/10, 789
# Matters:   Readers of media look at an object's end first (the moov box of an MP4, the cues of Matroska, the tags of MP3). With this
#            server they read its head instead, of a length that looks right. Absolute ranges are safe, and Content-Range has to be checked.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" s3rver@3.7.1 >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log" >&2; exit 2; }

cat >"$dir/run.cjs" <<'JS'
const http = require('node:http');
const S3rver = require('s3rver');

const server = new S3rver({
  address: '127.0.0.1', port: 0, silent: true, directory: process.argv[2],
  allowMismatchedSignatures: true, configureBuckets: [{name: 'bucket'}],
});
server.run().then(async ({port}) => {
  const request = (method, headers, body) => new Promise((resolve, reject) => {
    // the key that the server has by default; it was told to take any signature
    const path = '/bucket/digits?AWSAccessKeyId=S3RVER&Expires=4000000000&Signature=any';
    const r = http.request({host: '127.0.0.1', port, path, method, headers}, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => resolve(`${response.statusCode}, ${response.headers['content-range']}, ${text}`));
    });
    r.on('error', reject);
    r.end(body);
  });
  await request('PUT', {}, '0123456789');
  for (const range of ['bytes=-3', 'bytes=7-9']) console.log(`${range}: ${await request('GET', {range})}`);
  await server.close();
});
JS
seen=$(node "$dir/run.cjs" "$dir/objects" 2>"$dir/node.log") || { cat "$dir/node.log" >&2; exit 2; }
echo "$seen"
[ "$seen" = "bytes=-3: 206, bytes 0-3/10, 0123
bytes=7-9: 206, bytes 7-9/10, 789" ] || { echo "the behaviour has changed" >&2; exit 1; }
