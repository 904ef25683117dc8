/** The page in a real browser: by day and night, on a phone, without JavaScript, with 300 containers and hostile names. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { filePolicy } from '../../src/cli/page/policy.js';
import { servePage } from '../../src/cli/page/server.js';
import { hostPage } from '../../src/operator/page/page.js';
import { crowd, facts, saying } from '../operator/page/sample.js';
import { Chromium, NO_CHROMIUM } from '../process/chromium.js';

const pictures = fileURLToPath(new URL('../../build/screenshots', import.meta.url));
const skip = NO_CHROMIUM;

t.test('a page of a file', { skip, timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-page-'));
  mkdirSync(pictures, { recursive: true });
  const browser = await Chromium.start();
  t.teardown(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });
  const show = async (name: string, html: string) => {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, html);
    await browser.open(`file://${path}`);
  };
  const keep = async (name: string) =>
    writeFileSync(join(pictures, `${name}.png`), await browser.picture());
  const wide = 'document.documentElement.scrollWidth <= innerWidth';

  for (const scheme of ['light', 'dark'] as const) {
    for (const [screen, width] of [
      ['desktop', 1_200],
      ['phone', 390],
    ] as const) {
      await browser.screen(width, scheme);
      await show(`${screen}-${scheme}`, hostPage(facts, 'file', filePolicy));
      t.ok(await browser.value(wide), `${screen}, ${scheme}: nothing sticks out`);
      await keep(`${screen}-${scheme}`);
    }
    const ground = await browser.value<string>('getComputedStyle(document.body).backgroundColor');
    t.equal(ground, scheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(255, 255, 255)');
  }

  await browser.screen(1_200, 'light', false);
  await show('crowd', hostPage(crowd(300), 'file', filePolicy));
  await keep('crowd-without-script');
  await browser.screen(1_200, 'light');
  await show('crowd', hostPage(crowd(300), 'file', filePolicy));
  // A link into what is folded opens it.
  await browser.value(`location.hash = '#container-157'`);
  await browser.until(`document.querySelector('#container-157').closest('details').open`);
  t.ok(
    await browser.value(
      `document.querySelector('#container-157').getBoundingClientRect().height > 0`,
    ),
  );

  for (const word of [
    '</text></svg><script>window.hit=1</script>',
    '"><img src=x onerror="window.hit=1">',
  ]) {
    await show('hostile', hostPage(saying(word), 'file', filePolicy));
    t.equal(await browser.value('window.hit'), undefined, 'nothing ran');
    const counted = `document.querySelectorAll('script, img, iframe, object, [onload], [onerror]').length`;
    t.equal(await browser.value(counted), 0);
    t.equal(await browser.value(`document.querySelector('h1').textContent`), word);
    await keep('hostile');
  }
  t.strictSame(browser.complaints, [], 'the policy had nothing to forbid');
});

t.test('a page that is served', { skip, timeout: 300_000 }, async (t) => {
  const browser = await Chromium.start();
  const end = new AbortController();
  let serving: Promise<void> | undefined;
  const url = await new Promise<string>((ready, reject) => {
    serving = servePage({
      where: { host: '127.0.0.1', port: 0 },
      source: {
        page: async () => hostPage(facts, 'served'),
        way: async (query) => ({
          status: 200,
          html: `<h1>${query.get('to')?.replace(/\W/g, '')}</h1>`,
        }),
        async *events(since, gone) {
          const words = `<b>after ${since}</b>`;
          yield `id: 42\ndata: ${JSON.stringify({ at: 'now', kind: 'degraded', words })}\n\n`;
          await new Promise((resolve) => gone.addEventListener('abort', resolve));
        },
      },
      ...{ idleMs: 600_000, end: end.signal, ready },
    });
    serving.catch(reject);
  });
  t.teardown(async () => {
    await browser.close();
    end.abort();
    await serving;
  });
  await browser.screen(1_200, 'light');
  await browser.open(url);
  await browser.until(`document.querySelector('h1')?.textContent === 'host1'`);
  t.equal(await browser.value('location.search'), '', 'the token is gone from the address');
  t.equal(await browser.value('document.cookie'), '', 'no script reads the cookie');
  await browser.until(`document.querySelector('#events li')?.textContent.includes('after 41')`);
  t.equal(await browser.value(`document.querySelectorAll('#events b').length`), 0, 'as text');
  t.match(
    await browser.value(`document.querySelector('#live').textContent`),
    /Something has changed/,
  );

  // By the keyboard alone: the first stop leads past the head, and every link and summary is one.
  await browser.send('Input.dispatchKeyEvent', {
    type: 'keyDown',
    key: 'Tab',
    code: 'Tab',
    windowsVirtualKeyCode: 9,
  });
  t.match(await browser.value('document.activeElement.textContent'), /To the content/);
  const unnamed = `[...document.querySelectorAll('a, button, input, summary, [tabindex]')].filter((each) =>
    !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length)).length`;
  t.equal(await browser.value(unnamed), 0, 'whatever takes the focus has a name');

  await browser.value(
    `document.querySelector('input[name=to]').value = ':8080'; document.querySelector('form').submit()`,
  );
  await browser.until(`document.querySelector('h1')?.textContent === '8080'`);
  t.match(await browser.value('location.pathname'), '/path');
  t.strictSame(
    browser.complaints.filter((each) => !each.includes('favicon')),
    [],
  );
});
