// Unpacks the browser: node unpack.mjs NODE_MODULES DIR writes DIR/chromium, the
// libraries it brings, and DIR/lib. The package packs each with Brotli.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const [modules, dir] = process.argv.slice(2);
const open = (name) => brotliDecompressSync(readFileSync(join(modules, '@sparticuz/chromium/bin', name + '.br')));
mkdirSync(dir, { recursive: true });
writeFileSync(join(dir, 'chromium'), open('chromium'), { mode: 0o755 });
for (const name of ['swiftshader.tar', 'al2023.tar']) {
  execFileSync('tar', ['-xf', '-', '-C', dir], { input: open(name) });
}
