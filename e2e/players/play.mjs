// Plays streams in headless Chromium: node play.mjs NODE_MODULES CHROMIUM with
// {"page": URL, "cases": [{"name", "player", "url"}]} on stdin. Each case's
// result is a line of JSON on stdout.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [modules, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(modules + '/')('playwright-core');
const { page: address, cases } = JSON.parse(readFileSync(0, 'utf8'));

const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage',
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
});
const one = async (c) => {
  const page = await browser.newPage();
  const log = [];
  page.on('console', (m) => log.push(m.text()));
  page.on('pageerror', (e) => log.push(String(e)));
  let result;
  try {
    await page.goto(address);
    result = await page.evaluate((c) => window.run(c), c);
  } catch (e) {
    result = { failed: String(e) };
  }
  await page.close();
  console.log(JSON.stringify({ name: c.name, ...result, log: log.slice(-20) }));
};
// Two at once: most of the time a player waits for the clock.
const queue = [...cases];
await Promise.all([0, 1].map(async () => {
  for (let c = queue.shift(); c; c = queue.shift()) await one(c);
}));
await browser.close();
