// Uploads a file with tus-js-client, whose connection is cut off in the middle, and
// prints where it is and what happened.
const tus = require('tus-js-client');
const fs = require('fs');
const http = require('http');
const {ENDPOINT, KEY, FILE} = process.env;

// A proxy that cuts off the second request with a body half-way, once.
let bodies = 0;
let cuts = 0;
const target = new URL(ENDPOINT);
const proxy = http.createServer((req, res) => {
  const up = http.request({host: target.hostname, port: target.port, path: req.url, method: req.method, headers: {...req.headers, host: target.host}}, (answer) => {
    // The server names itself; the client is to go on through the proxy.
    if (answer.headers.location) answer.headers.location = through(answer.headers.location);
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  up.on('error', () => req.socket.destroy());
  let sent = 0;
  const cut = req.method === 'PATCH' && ++bodies === 2;
  req.on('data', (chunk) => {
    up.write(chunk);
    sent += chunk.length;
    if (cut && sent > 100_000 && cuts === 0) {
      cuts++;
      up.destroy();
      req.socket.destroy();
    }
  });
  req.on('end', () => up.end());
});

const through = (u) => {
  const parsed = new URL(u);
  parsed.host = '127.0.0.1:' + proxy.address().port;
  return parsed.toString();
};

proxy.listen(0, '127.0.0.1', async () => {
  const begin = await fetch(ENDPOINT + '/uploads', {method: 'POST', headers: {Authorization: 'Basic ' + Buffer.from(KEY + ':').toString('base64')}});
  const {url, expires_at} = await begin.json();
  let input = '';
  const upload = new tus.Upload(fs.createReadStream(FILE), {
    endpoint: through(url), chunkSize: 256 * 1024, uploadSize: fs.statSync(FILE).size, metadata: {filename: 'clip.mp4'},
    retryDelays: [0, 50, 100, 200, 400],
    onAfterResponse: (req, res) => { input = res.getHeader('Content-Location') || input; },
    onError: (err) => { console.error(String(err)); process.exit(1); },
    onSuccess: () => {
      console.log(JSON.stringify({input, cuts, bodies, status: begin.status, expires_at}));
      process.exit(0);
    },
  });
  upload.start();
});
