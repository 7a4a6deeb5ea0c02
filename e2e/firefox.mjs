// Drives the console in headless Firefox: node firefox.mjs NODE_MODULES FIREFOX with
// {"base", "key", "job"} on stdin. What it saw is a line of JSON on stdout.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { run } from './steps.mjs';

const [modules, executablePath] = process.argv.slice(2);
const { firefox } = createRequire(modules + '/')('playwright-core');
const { base, key, job } = JSON.parse(readFileSync(0, 'utf8'));

const seen = { steps: [], problems: [] };
// The channel says that it is a distribution's Firefox, which is driven by WebDriver BiDi.
// Limits are against hanging only: other tests keep the same machine and server busy.
const hanging = 300000;
const browser = await firefox.launch({
  executablePath, timeout: hanging, channel: 'moz-firefox',
  firefoxUserPrefs: { 'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'app.update.enabled': false },
});
const page = await browser.newPage();
page.setDefaultTimeout(hanging);
page.on('pageerror', (e) => seen.problems.push(String(e)));

const steps = {
  async 'signs in'() {
    await page.goto(base + '/console/');
    await page.fill('#key', key);
    await page.click('button:has-text("Sign in")');
    await page.waitForSelector('#figures');
  },
  async 'lists the job'() {
    await page.click('nav >> text=Jobs');
    await page.waitForSelector(`#job-${job}`);
    await page.waitForSelector('#link.on');
  },
  async 'sees it end'() {
    await page.click(`#job-${job}`);
    await page.waitForSelector('#summary .badge.good');
  },
  async 'plays it'() {
    await page.click('.player[data-hls]:not([data-hls=""]) [data-play=""]');
    await page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.currentTime > 0.2 && v.videoWidth > 0) || document.querySelector('.player .problem'));
    const problem = await page.$('.player .problem');
    if (problem) throw new Error(await problem.textContent());
  },
  async 'signs out'() {
    await page.click('text=Sign out');
    await page.waitForSelector('#key');
  },
};

await run(steps, page, seen);
await browser.close();
console.log(JSON.stringify(seen));
