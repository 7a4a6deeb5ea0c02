// Plays streams in a headless browser: node play.mjs NODE_MODULES chromium|firefox
// PROGRAM with {"page": URL, "cases": [{"name", "player", "url"}]} on stdin. Each
// case's result is a line of JSON on stdout.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const [modules, kind, executablePath] = process.argv.slice(2);
const browsers = createRequire(modules + '/')('playwright-core');
const { page: address, cases } = JSON.parse(readFileSync(0, 'utf8'));

const options = {
  chromium: {
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage',
      '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
  },
  // The channel says that it is a distribution's Firefox, which is driven by WebDriver BiDi.
  firefox: {
    channel: 'moz-firefox',
    firefoxUserPrefs: {
      'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'media.suspend-background-video.enabled': false,
      'dom.min_background_timeout_value': 4, 'dom.timeout.enable_budget_timer_throttling': false, 'app.update.enabled': false,
    },
  },
};
// Limits are against hanging only: other tests keep the same machine busy.
const hanging = 300000;
const browser = await browsers[kind].launch({ executablePath, timeout: hanging, ...options[kind] });
const one = async (c) => {
  const page = await browser.newPage();
  page.setDefaultTimeout(hanging);
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
