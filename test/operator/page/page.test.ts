/** The page as text: what is in it, that words of others stay words, and that people can read it. */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { html, scriptHtml, styleHtml } from '../../../src/operator/page/html.js';
import { hostPage, problemPage, wayPage } from '../../../src/operator/page/page.js';
import { pageScript } from '../../../src/operator/page/script.js';
import { pageStyle } from '../../../src/operator/page/style.js';
import { dark, light } from '../../../src/operator/picture/palette.js';
import { crowd, facts, saying, way } from './sample.js';

/** Names of tags with names of their attributes, in order: what a browser takes for markup. */
const markup = (page: string) =>
  [...page.matchAll(/<(\/?[a-z!][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*\/?>/gi)].map(
    ([, tag, attributes = '']) =>
      [tag, ...[...attributes.matchAll(/\s([a-z-]+)="/gi)].map(([, name]) => name)].join(' '),
  );
/** Every `<` begins markup that is known. */
const strays = (page: string) => (page.match(/</g) ?? []).length - markup(page).length;

t.test('a small host is the page in test/golden/page.html', (t) => {
  const golden = new URL('../../golden/page.html', import.meta.url);
  // The style has goldens of its own kind: the screenshots of the browser test.
  const page = hostPage(facts, 'file', 'POLICY').replace(/<style>.*?<\/style>/s, '<style></style>');
  if (process.env.TSBRIDGE_UPDATE_GOLDEN === '1') writeFileSync(golden, page);
  t.equal(page, readFileSync(golden, 'utf8'));
  t.end();
});

const hostile = [
  '</text></svg><script>alert(1)</script>',
  '" onload="alert(1)" x="',
  "' onmouseover='alert(1)",
  '</style><img src=x onerror=alert(1)>',
  '<!--',
  ']]>&lt;&amp;',
  'javascript:alert(1)',
  '\u0000\u001b[31m\u202eevil\u2066\uD800',
  '{{7*7}}`+alert(1)+`',
  'a\nb\tc',
];

t.test('words of others add no element and no attribute, wherever they stand', (t) => {
  for (const kind of ['file', 'served'] as const) {
    const render = (word: string) =>
      hostPage(saying(word), kind, kind === 'file' ? 'p' : undefined);
    const plain = markup(render('x'));
    t.equal(strays(render('x')), 0, 'all markup is seen');
    t.ok(plain.length > 200);
    for (const word of hostile) t.strictSame(markup(render(word)), plain, JSON.stringify(word));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (word) => {
        const page = render(word);
        return strays(page) === 0 && markup(page).length === plain.length;
      }),
      { numRuns: 60 },
    );
    // A link leads within the page or to the same server, whatever the words are.
    const links = [...render('javascript:alert(1)').matchAll(/href="([^"]*)"/g)];
    t.ok(links.every(([, to = '']) => /^(?:#[a-z-]+(?:-?\d+)?|\/|\/path\?.*)$/.test(to)));
  }
  const [word = ''] = hostile;
  for (const page of [problemPage(word, word), wayPage(word, way, [word])]) {
    t.notMatch(page, /<script/);
    t.equal(strays(page), 0);
  }
  t.end();
});

t.test('a template takes values only where escaping is enough', (t) => {
  t.equal(
    String(html`<a title="${'"<&'}">${'<b>'}${html`<i>${1}</i>`}</a>`),
    '<a title="&quot;&lt;&amp;">&lt;b&gt;<i>1</i></a>',
  );
  t.equal(String(html`${[html`<b>1</b>`, html`<b>2</b>`]}`), '<b>1</b><b>2</b>');
  t.throws(() => html`<a title=${'x'}>`, /may not stand/);
  t.throws(() => html`<a onclick="${'x'}">`, /may not stand/);
  t.throws(() => html`<a style="${'x'}">`, /may not stand/);
  t.throws(() => html`<${'x'}>`, /may not stand/);
  t.throws(() => html`<script>${'x'}</script>`, /may not stand/);
  t.throws(() => html`<style>${'x'}</style>`, /may not stand/);
  t.throws(() => html`<a title="${html`<b></b>`}">`, /no elements/);
  t.throws(() => styleHtml('</style>'), /markup/);
  t.throws(() => scriptHtml('a < b'), /markup/);
  t.end();
});

t.test('nothing is loaded, and no element runs a script of its own', (t) => {
  for (const kind of ['file', 'served'] as const) {
    const page = hostPage(facts, kind, kind === 'file' ? 'p' : undefined);
    t.notMatch(page, /\s(?:on[a-z]+|style|src|srcset)="/, kind);
    t.notMatch(page, /url\(|@import|https?:(?!\/\/www\.w3\.org\/2000\/svg")/);
    t.equal(page.match(/<script/g)?.length ?? 0, kind === 'served' ? 1 : 0);
    t.equal(/<form/.test(page), kind === 'served');
  }
  const silent = hostPage({ ...facts, events: undefined, findings: undefined }, 'served');
  t.notMatch(silent, /<script/, 'without the daemon there is nothing to follow');
  t.match(silent, /The checks could not be done/);
  t.notMatch(pageScript, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
  t.end();
});

t.test('many containers are folded by project, and each is still found', (t) => {
  const page = hostPage(crowd(300), 'file', 'p');
  const [, overview = ''] = /<h2 id="topology">(.*?)<\/section>/s.exec(page) ?? [];
  const boxes = overview.match(/<rect/g)?.length ?? 0;
  t.ok(boxes < 80, `${boxes} boxes in the picture of all`);
  t.match(overview, /project p7/);
  t.equal(page.match(/<details id="group-\d+"/g)?.length, 30);
  for (const index of [0, 157, 299]) t.match(page, new RegExp(`<tr id="container-${index}">`));
  const few = hostPage(crowd(40), 'file', 'p');
  t.notMatch(few, /<details id="group/);
  t.end();
});

t.test('many ports of a container are one box of the pictures, and each is still found', (t) => {
  const [port] = crowd(1).ports;
  if (port === undefined) throw new Error('the container has a port');
  const ports = Array.from({ length: 300 }, (_, index) => ({ ...port, label: `:${index}/tcp` }));
  const page = hostPage({ ...crowd(3), ports }, 'file', 'p');
  const pictures = page.match(/<svg.*?<\/svg>/gs) ?? [];
  t.equal(pictures.length, 2, 'of the host, and of the containers');
  for (const picture of pictures) {
    t.equal(picture.match(/>300 ports</g)?.length, 1);
    t.ok((picture.match(/<rect/g) ?? []).length < 20);
  }
  for (const index of [0, 157, 299]) {
    t.match(page, new RegExp(`<tr id="port-${index}">`));
    t.match(page, new RegExp(`<a href="#port-${index}">:${index}/tcp</a>`), 'in its container');
  }
  t.end();
});

t.test('every link within the page leads to a place of it, and no place has two names', (t) => {
  for (const host of [
    facts,
    crowd(300),
    {
      ...crowd(100),
      containers: crowd(100).containers.map((each, index) => ({ ...each, project: `p${index}` })),
    },
  ]) {
    const page = hostPage(host, 'file', 'p');
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    t.equal(new Set(ids).size, ids.length);
    const links = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    t.strictSame(
      links.filter((link) => !ids.includes(link)),
      [],
    );
  }
  t.end();
});

t.test('boxes of small projects that share a group lead to what they name', (t) => {
  const host = crowd(120);
  // Forty projects, of which the last two are in the shared group: 115 and 119 are of one, 117 of the other.
  const projects = new Map([115, 117, 119].map((index) => [index, `small-${index % 4}`]));
  const containers = host.containers.map((each, index) => {
    return { ...each, project: projects.get(index) ?? `p${index % 39}` };
  });
  const page = hostPage({ ...host, containers }, 'file', 'p');
  const [, group = ''] = /<summary>2 others, 3 containers<\/summary>(.*?)<\/svg>/s.exec(page) ?? [];
  const boxes = [...group.matchAll(/href="#container-(\d+)"[^>]*>.*?<title>([^<]*)/gs)];
  t.strictSame(
    boxes.map(([, index, title]) => [Number(index), title?.split(' ')[0]]),
    [115, 119, 117].map((index) => [index, `c${index}`]),
  );
  t.match(group, /href="#port-39"/, 'the port of container 117');
  t.end();
});

t.test('no line leads from a port whose container is not in the list', (t) => {
  for (const host of [facts, crowd(300)]) {
    const lines = (container: number) => {
      const ports = host.ports.slice(0, 1).map((port) => ({ ...port, container }));
      const page = hostPage({ ...host, ports }, 'file', 'p');
      t.notMatch(page, 'href="#container--1"');
      return (/<svg.*?<\/svg>/s.exec(page)?.[0].match(/<title>published by/g) ?? []).length;
    };
    t.strictSame([lines(0), lines(-1)], [1, 0]);
  }
  t.end();
});

t.test('ports that share a box are reached by the interfaces of all of them', (t) => {
  const host = crowd(300);
  const uplinks = [1, 2, 3].map((index) => ({
    ...{ name: `eth${index}`, addresses: [`192.0.2.${index}/24`] },
  }));
  const lines = (...addresses: string[]) => {
    const ports = addresses.flatMap((address) => {
      return host.ports.slice(0, 1).map((port) => ({ ...port, address, container: 0 }));
    });
    const page = hostPage({ ...host, uplinks, ports }, 'file', 'p');
    const [picture = ''] = /<svg.*?<\/svg>/s.exec(page) ?? [];
    return [...picture.matchAll(/<title>(\S+ is on [^<]*)/g)].map(([, words]) => words);
  };
  const [first, second] = ['192.0.2.1 is on eth1', '192.0.2.2 is on eth2'];
  t.strictSame(lines('192.0.2.1'), [first]);
  t.strictSame(lines('192.0.2.1', '192.0.2.1', '192.0.2.2'), [first, second]);
  t.strictSame(lines('192.0.2.1', '0.0.0.0'), [first, '0.0.0.0 is on eth2', '0.0.0.0 is on eth3']);
  t.end();
});

/** Contrast of two colours as WCAG 2.2 defines it: 1 to 21. */
function contrast(a: string, b: string): number {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

t.test('words can be read by day and by night (WCAG 2.2 AA), and edges seen', (t) => {
  for (const [name, theme] of Object.entries({ light, dark })) {
    const grounds = ['ground', 'raised', 'network', 'internal', 'passed', 'refused'] as const;
    for (const ground of grounds) {
      for (const ink of ['ink', 'quiet'] as const) {
        const ratio = contrast(theme[ink], theme[ground]);
        t.ok(ratio >= 4.5, `${name}: ${ink} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
    for (const ink of ['link', 'good', 'bad', 'unsure'] as const) {
      t.ok(contrast(theme[ink], theme.ground) >= 4.5, `${name}: ${ink}`);
    }
    t.ok(contrast(theme.edge, theme.ground) >= 3, `${name}: edges`);
  }
  t.match(pageStyle, /prefers-color-scheme: dark/);
  t.end();
});
