// Looks at the status page of a running router in Chromium: screenshots at phone and desk size, dark and light, an accessibility
// check by axe, and whether a hostile record is shown as text. It is run by hand:
//
//	apt-get install chromium; npm install playwright-core axe-core
//	node e2e/page/look.mjs http://127.0.0.1:2020/ FOLDER
//
// Send a record whose log contains "evil" and whatever may do harm while it runs. It exits with 1 if something is wrong.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const require = createRequire(resolve('package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [url, folder] = process.argv.slice(2);

let wrong = 0;
const complain = (...text) => {
  wrong++;
  console.log(...text);
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function look(device, viewport, deviceScaleFactor, colorScheme) {
  const context = await browser.newContext({ viewport, deviceScaleFactor, colorScheme });
  const page = await context.newPage();
  const name = `${device}-${colorScheme}`;
  page.on('console', (m) => complain(name, m.type(), m.text()));
  page.on('pageerror', (e) => complain(name, e.message));
  page.on('dialog', (d) => { complain(name, 'a script of a record ran:', d.message()); d.dismiss(); });
  page.on('request', (r) => { if (!r.url().startsWith(url)) complain(name, 'request elsewhere:', r.url()); });
  await page.goto(url);
  await page.waitForTimeout(5000); // two looks at the router make a rate
  if (await page.locator('#tail-button').isVisible()) {
    await page.click('#tail-button');
    await page.waitForTimeout(5000);
  }
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  const found = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    made: document.querySelectorAll('#tail :is(script, img, iframe, a), #refused :is(script, img, iframe, a)').length,
    hidden: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/.test(document.body.textContent),
    evil: [...document.querySelectorAll('#tail .text')].filter((e) => e.textContent.includes('evil')).length,
  }));
  if (found.wide > 0) complain(name, 'the page is wider than the screen by', found.wide);
  if (found.made > 0) complain(name, 'a record became elements');
  if (found.hidden) complain(name, 'control characters or marks of direction are in the text');
  // The page's policy forbids script elements, so axe is evaluated.
  const result = await page.evaluate((source) => new Function(`${source}; return window.axe.run(document);`)(), axe);
  for (const v of result.violations) complain(name, v.impact, v.id, v.help, v.nodes.map((n) => n.target.join(' ')).slice(0, 3));
  console.log(`${name}: ${result.passes.length} checks of axe passed, ${result.violations.length} failed; ${found.evil} hostile records seen`);
  await context.close();
}

for (const colorScheme of ['dark', 'light']) {
  await look('phone', { width: 390, height: 844 }, 2, colorScheme);
  await look('desk', { width: 1440, height: 900 }, 1, colorScheme);
}
await browser.close();
process.exit(wrong > 0 ? 1 : 0);
