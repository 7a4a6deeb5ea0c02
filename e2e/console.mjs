// Drives the console in headless Chromium: node console.mjs NODE_MODULES CHROMIUM
// with {"base", "operator", "requests": {"good", "bad"}, "pictures"} on stdin. What it
// saw is a line of JSON on stdout.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './steps.mjs';

const [modules, executablePath] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { base, operator, requests, pictures } = JSON.parse(readFileSync(0, 'utf8'));

const seen = { steps: [], problems: [], axe: [], firstLoad: 0 };
// Limits are against hanging only: other tests keep the same machine and server busy.
const hanging = 300000;
const browser = await chromium.launch({
  executablePath, timeout: hanging,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
page.setDefaultTimeout(hanging);
page.on('dialog', (d) => d.accept());
page.on('pageerror', (e) => seen.problems.push(String(e)));
page.on('console', (m) => { if (m.type() === 'error') seen.problems.push(m.text()); });
page.on('request', (r) => { if (!r.url().startsWith(base) && !r.url().startsWith('blob:') && !r.url().startsWith('data:')) seen.problems.push('a request to another host: ' + r.url()); });

/** Makes a job with the builder and returns the path of its page. */
async function make(request) {
  await page.goto(base + '/console/new');
  await page.fill('#request', request);
  await page.waitForFunction(() => document.getElementById('verdict').textContent.includes('is valid'));
  await page.click('text=Create the job');
  await page.waitForURL('**/console/jobs/*');
  return new URL(page.url()).pathname;
}

/** Plays the result that a button starts until some of it was seen. */
async function play(button) {
  await page.click(button);
  await page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.currentTime > 0.2 && v.videoWidth > 0) || document.querySelector('.player .problem'));
  const problem = await page.$('.player .problem');
  if (problem) throw new Error(await problem.textContent());
}

const steps = {
  async 'signs in'() {
    await page.goto(base + '/console/');
    seen.firstLoad = await page.evaluate(() => ['navigation', 'resource'].flatMap((t) => performance.getEntriesByType(t)).reduce((n, e) => n + e.decodedBodySize, 0));
    await page.fill('#key', operator);
    await page.click('text=Sign in >> nth=-1');
    await page.waitForSelector('#figures');
  },
  async 'is told what is wrong with a request'() {
    await page.goto(base + '/console/new');
    await page.fill('#request', '{"input": {"url": "nowhere"}}');
    await page.waitForSelector('#verdict .problem');
  },
  async 'watches a job to its end'() {
    seen.job = await make(requests.good);
    await page.waitForSelector('#summary .badge.good');
    await page.waitForSelector('#deliveries .badge.good');
  },
  async 'plays the HLS form'() {
    await play('.player[data-hls]:not([data-hls=""]) [data-play=""]');
    await page.waitForFunction(() => document.querySelector('.plays')?.textContent.includes('p,'));
    seen.menus = await page.$$eval('.menus label', (l) => l.map((m) => m.firstChild.textContent));
    await page.hover('.seek input');
    await page.waitForFunction(() => (document.querySelector('.preview.on div')?.style.backgroundImage ?? '') !== '');
  },
  async 'plays the DASH form'() {
    await page.reload();
    await play('[data-play="dash"]');
  },
  async 'reads the log and checks the stream'() {
    await page.goto(base + seen.job);
    await page.click('#step-1');
    await page.waitForURL('**/log#run-1');
    await page.click('#run-1 summary');
    await page.waitForSelector('#run-1 pre:has-text("ffmpeg")');
    await page.goto(base + seen.job);
    await page.click('button:has-text("Check the stream master.m3u8")');
    await page.waitForSelector('.badge.good:has-text("holds")');
    await look('check', 1280, 'light');
  },
  async 'sees why a job failed'() {
    seen.failed = await make(requests.bad);
    await page.waitForSelector('#failures .problem');
    seen.why = await page.textContent('#failures .problem');
  },
  async 'sends a webhook once more'() {
    await page.goto(base + seen.job);
    await page.click('#delivery-1');
    await page.click('#replay');
    await page.waitForSelector('.notice');
  },
  async 'tries out a storage'() {
    await page.goto(base + '/console/storage');
    await page.click('text=Built-in');
    await page.click('text=Try it out');
    await page.waitForSelector('#found .notice');
    seen.storage = await page.textContent('#found');
  },
  async 'makes a key and revokes it'() {
    await page.goto(base + '/console/keys');
    await page.fill('#name', 'made in a browser');
    await page.click('text=Create a key');
    seen.token = await page.textContent('#token');
    await page.click('button:has-text("Revoke made in a browser")');
    await page.waitForSelector('text=The key was revoked.');
  },
  async 'sees every page in two sizes and colours'() {
    const paths = {
      'overview': '/console/', 'jobs': '/console/jobs', 'job': seen.job, 'failed': seen.failed, 'request': seen.job + '/request', 'log': seen.job + '/log',
      'webhooks': '/console/webhooks', 'delivery': seen.job + '/deliveries/1', 'new': '/console/new', 'storage': '/console/storage', 'usage': '/console/usage', 'keys': '/console/keys', 'system': '/console/system',
    };
    for (const [name, path] of Object.entries(paths)) {
      await page.goto(base + path);
      for (const [width, colorScheme] of [[1280, 'light'], [360, 'dark'], ...(pictures ? [[1280, 'dark'], [360, 'light']] : [])]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: width > 500 ? 900 : 740 });
        await look(name, width, colorScheme);
      }
    }
    await page.click('text=Sign out');
    await page.waitForURL('**/sign-in');
    await look('sign-in', 360, 'dark');
  },
};

/** Has axe-core judge the page, and takes a picture of it. */
async function look(name, width, colorScheme) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) seen.problems.push(`${name} is ${wide} px too wide at ${width}`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
  // All that another size or colour changes; the rest of the rules see the same document.
  const runOnly = width === 1280 && colorScheme === 'light' || name === 'sign-in' ? undefined : ['color-contrast', 'scrollable-region-focusable'];
  await page.evaluate(axe); // not a script of the page, so its policy does not matter
  // Without a description of all that is well, which takes longer than the rules.
  const { violations } = await page.evaluate((runOnly) => axe.run({ resultTypes: ['violations'], ...(runOnly && { runOnly }) }), runOnly);
  for (const v of violations) seen.axe.push(`${name} at ${width}, ${colorScheme}: ${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}`);
}

await run(steps, page, seen);
await browser.close();
console.log(JSON.stringify(seen));
