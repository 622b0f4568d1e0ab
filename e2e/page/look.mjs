// Looks at the status page of a running router in Chromium: screenshots at phone and desk size, dark and light, an accessibility
// check by axe, and whether hostile records are shown as text. page_test.go runs it; by hand:
//
//	node e2e/page/look.mjs FOLDER-OF-NODE_MODULES http://127.0.0.1:2020/ FOLDER-FOR-SCREENSHOTS <WANTED.json
//
// On stdin are the texts that must be in each part of the page, by its id. It prints what is wrong, and exits with 1 then.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [modules, url, folder] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const wanted = JSON.parse(readFileSync(0, 'utf8'));
const patience = 20000; // ms, for what must come

let wrong = 0;
const complain = (...text) => {
  wrong++;
  console.log(...text);
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });

async function look(device, viewport, deviceScaleFactor, colorScheme) {
  const context = await browser.newContext({ viewport, deviceScaleFactor, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const name = `${device}-${colorScheme}`;
  page.on('console', (m) => complain(name, m.type(), m.text()));
  page.on('pageerror', (e) => complain(name, e.message));
  page.on('dialog', (d) => { complain(name, 'a script of a record ran:', d.message()); d.dismiss(); });
  page.on('request', (r) => { if (!r.url().startsWith(url)) complain(name, 'request elsewhere:', r.url()); });
  await page.goto(url);
  await page.waitForFunction(() => /[1-9]/.test(document.querySelector('#rate-in').textContent)); // two looks at the router make a rate
  await page.waitForFunction(() => !document.querySelector('#usage').hidden);
  await page.click('#tail-button');
  for (const [part, texts] of Object.entries(wanted)) {
    // They are there as text, some in elements that aren't open.
    await page.waitForFunction(([id, all]) => all.every((t) => document.getElementById(id).textContent.includes(t)), [part, texts]).catch(async () => {
      const all = await page.evaluate((id) => document.getElementById(id).textContent, part);
      for (const t of texts) if (!all.includes(t)) complain(name, `not in #${part} as text:`, JSON.stringify(t));
    });
  }
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  const found = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    made: document.querySelectorAll('body :is(script, img, iframe, a:not(.skip), object, embed, base, meta, style, link), svg :is(script, image, a)').length,
    hidden: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.exec(document.body.textContent)?.[0],
    long: Math.max(...[...document.querySelectorAll('#tail details')].map((e) => e.textContent.length)),
    nodes: document.querySelectorAll('*').length,
  }));
  if (found.wide > 0) complain(name, 'the page is wider than the screen by', found.wide);
  if (found.made > 0) complain(name, 'text became', found.made, 'elements');
  if (found.hidden) complain(name, 'a control character or mark of direction is in the text:', JSON.stringify(found.hidden));
  if (found.long > 100_000) complain(name, 'a line of the tail has', found.long, 'characters');
  if (found.nodes > 10_000) complain(name, 'the page has', found.nodes, 'elements');
  // The page's policy forbids script elements, so axe is evaluated.
  const result = await page.evaluate((source) => new Function(`${source}; return window.axe.run(document);`)(), axe);
  for (const v of result.violations) complain(name, v.impact, v.id, v.help, v.nodes.map((n) => n.target.join(' ')).slice(0, 3));
  if (result.passes.length < 20) complain(name, 'axe made only', result.passes.length, 'checks');
  await context.close();
}

const sizes = { phone: [{ width: 390, height: 844 }, 2], desk: [{ width: 1440, height: 900 }, 1] };
await Promise.all(['dark', 'light'].flatMap((colorScheme) => Object.entries(sizes).map(([device, [viewport, scale]]) => look(device, viewport, scale, colorScheme))))
  .catch((e) => complain(e.message));
await browser.close();
process.exit(wrong > 0 ? 1 : 0);
