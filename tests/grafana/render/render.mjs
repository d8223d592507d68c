// Pictures of dashboards, and what can be read on them: --help says how.
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const HELP = `node render.mjs --dashboards DIR --frames frames.json --out DIR

  --dashboards DIR   dashboards as JSON, in folders or not
  --frames FILE      {uid: {panel id: {range: {from, to}, frames: [...], isMadeUp: true, variables: {name: [text]}}}};
                     only these uids are drawn
  --out DIR          <uid>.png and seen.json: {uid: {panel id: {title, legend, texts, noData, error,
                     colours, thresholds, cut}}}
  --theme NAME       light (default) or dark
  --width PIXELS     1280
  --zone NAME        where the dashboard names none: Asia/Shanghai`;
const HERE = path.dirname(fileURLToPath(import.meta.url));
const ORIGIN = 'http://dashboards.invalid'; // never asked: all that the page loads comes from here
const ICONS = path.join(HERE, 'node_modules/@grafana/ui/dist/public');
const PATIENCE_MS = 120_000; // of one step, on a machine that is busy

const { values: given } = parseArgs({
  options: {
    dashboards: { type: 'string' },
    frames: { type: 'string' },
    out: { type: 'string' },
    theme: { type: 'string', default: 'light' },
    width: { type: 'string', default: '1280' },
    zone: { type: 'string', default: 'Asia/Shanghai' },
    help: { type: 'boolean', default: false },
  },
});
if (given.help || !given.dashboards || !given.frames || !given.out) {
  console.log(HELP);
  process.exit(given.help ? 0 : 2);
}

function browser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const places = process.env.PATH.split(path.delimiter).flatMap((one) => names.map((name) => path.join(one, name)));
  for (const one of places) {
    try {
      accessSync(one, constants.X_OK);
      return one;
    } catch {
      // the next one
    }
  }
  throw new Error('no Chromium on the PATH');
}

const modified = async (file) => (await stat(file).catch(() => ({ mtimeMs: 0 }))).mtimeMs;

// The page as one script and one style sheet; made anew when a source is younger.
async function bundled() {
  const cache = path.join(HERE, 'node_modules/.cache/dashboards');
  const sources = ['page.jsx', 'panels.jsx', 'fields.js', 'seen.js', 'render.mjs', 'package-lock.json'];
  const newest = Math.max(...(await Promise.all(sources.map((one) => modified(path.join(HERE, one))))));
  const files = { '/page.js': path.join(cache, 'page.js'), '/page.css': path.join(cache, 'page.css') };
  if ((await modified(files['/page.js'])) > newest) return files;
  const fresh = `${cache}.${process.pid}`;
  const inline = Object.fromEntries(['.svg', '.ttf', '.woff', '.woff2', '.png'].map((one) => [one, 'dataurl']));
  await build({
    entryPoints: [path.join(HERE, 'page.jsx')],
    bundle: true,
    minify: true,
    outdir: fresh,
    loader: inline,
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    logLevel: 'error',
  });
  await mkdir(cache, { recursive: true });
  for (const file of Object.values(files).reverse()) await rename(path.join(fresh, path.basename(file)), file);
  return files;
}

async function dashboardsIn(folder) {
  const names = (await readdir(folder, { recursive: true })).filter((one) => one.endsWith('.json')).sort();
  return Promise.all(names.map(async (one) => JSON.parse(await readFile(path.join(folder, one), 'utf8'))));
}

// Everything comes from files here: nothing is asked of a network, and nothing waits for one.
async function answer(route, files) {
  const { pathname, origin } = new URL(route.request().url());
  if (origin !== ORIGIN) return route.abort();
  if (pathname === '/') {
    return route.fulfill({
      contentType: 'text/html',
      body: '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css">'
        + '<body style="margin:0"><div id="dashboard"></div><script src="page.js"></script>',
    });
  }
  const file = files[pathname] ?? (pathname.startsWith('/public/') ? path.join(ICONS, pathname.slice(8)) : null);
  if (file && (await modified(file))) return route.fulfill({ path: file });
  return route.fulfill({ status: 404, body: '' });
}

// Sizes are measured, then drawn, then measured: done when two looks see the same.
async function rested(page) {
  const until = Date.now() + PATIENCE_MS;
  let [before, now] = ['', '-'];
  while (before !== now && Date.now() < until) {
    before = now;
    await page.evaluate(() => document.fonts.ready.then(() => new Promise((done) => setTimeout(done, 250))));
    now = JSON.stringify(await page.evaluate(() => window.seen()));
  }
  return JSON.parse(now);
}

async function drawn(window, dashboard, data, files) {
  const width = Number(given.width);
  const page = await window.newPage({ viewport: { width, height: 900 }, timezoneId: given.zone });
  page.setDefaultTimeout(PATIENCE_MS);
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  try {
    await page.route('**/*', (route) => answer(route, files));
    const now = Object.values(data)[0]?.range?.to; // "3 minutes ago" is as long ago as it was then
    if (now) await page.clock.setFixedTime(now);
    await page.goto(`${ORIGIN}/`);
    await page.evaluate(() => Promise.all([...document.fonts].map((one) => one.load()))); // before anything is measured
    await page.evaluate((lang) => { document.documentElement.lang = lang; }, dashboard.uid.endsWith('-zh') ? 'zh-CN' : 'en');
    await page.evaluate((all) => window.show(all), {
      dashboard, data, width, theme: given.theme, timeZone: given.zone,
    });
    const height = await page.evaluate(() => document.getElementById('dashboard').scrollHeight);
    await page.setViewportSize({ width, height: Math.max(height, 100) });
    const seen = await rested(page);
    await page.screenshot({ path: path.join(given.out, `${dashboard.uid}.png`) });
    if (errors.length) throw new Error(`${dashboard.uid}: ${errors.join('; ')}`);
    return seen;
  } finally {
    await page.close();
  }
}

const frames = JSON.parse(await readFile(given.frames, 'utf8'));
const files = await bundled();
await mkdir(given.out, { recursive: true });
const window = await chromium.launch({
  timeout: PATIENCE_MS,
  executablePath: browser(),
  args: [
    '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--force-color-profile=srgb',
  ],
});
try {
  const seen = {};
  for (const dashboard of await dashboardsIn(given.dashboards)) {
    if (!frames[dashboard.uid]) continue;
    console.error(`· ${dashboard.uid}`);
    seen[dashboard.uid] = await drawn(window, dashboard, frames[dashboard.uid], files);
  }
  await writeFile(path.join(given.out, 'seen.json'), JSON.stringify(seen, null, 1));
} finally {
  await window.close();
}
