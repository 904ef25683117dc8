/** docs/images/host.svg is what the code draws of the networks below; hostile names stay text. */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { drawHost, type HostPicture } from '../../src/operator/picture/host-picture.js';
import { element, svgText } from '../../src/operator/picture/svg.js';

const image = new URL('../../docs/images/host.svg', import.meta.url);

const host: HostPicture = {
  title: 'A host with two networks of tsbridge',
  uplink: 'eth0 192.0.2.10',
  networks: [
    {
      name: 'app',
      bridge: 'br-3f1c9a7d2e40',
      addresses: ['172.18.0.1/16', 'fd00:18::1/64'],
      internal: false,
      containers: [
        {
          name: 'web',
          addresses: ['172.18.0.2', 'fd00:18::2'],
          veth: 'veth41c09d7',
          ports: ['8080 → 80/tcp', '8443 → 443/tcp'],
        },
        { name: 'worker', addresses: ['172.18.0.3', 'fd00:18::3'], veth: 'vethb7702aa', ports: [] },
      ],
    },
    {
      name: 'data',
      bridge: 'br-90be55c1a7f3',
      addresses: ['172.19.0.1/16'],
      internal: true,
      containers: [
        { name: 'db', addresses: ['172.19.0.2'], veth: 'veth0d8e6f1', ports: [] },
        { name: 'cache', addresses: ['172.19.0.3'], veth: 'veth5ac31b0', ports: [] },
      ],
    },
  ],
};

t.test('docs/images/host.svg is what is drawn of two networks', (t) => {
  if (process.env.TSBRIDGE_UPDATE_GOLDEN === '1') writeFileSync(image, drawHost(host));
  t.equal(drawHost(host), readFileSync(image, 'utf8'));
  t.end();
});

/** Tags of a drawing, in order: what the browser would take for markup. */
const tags = (svg: string) =>
  [...svg.matchAll(/<\/?[^>]*>/g)].map(([tag]) => tag.split(/[\s/>]/)[0]);

/** The picture of one container, with every word of it the same. */
const saying = (word: string): HostPicture => ({
  title: word,
  uplink: word,
  networks: [
    {
      name: word,
      bridge: word,
      addresses: [word],
      internal: false,
      containers: [{ name: word, addresses: [word], veth: word, ports: [word] }],
    },
  ],
});

t.test('a name with markup in it adds no element and no attribute to the picture', (t) => {
  const plain = tags(drawHost(saying('x')));
  for (const word of [
    '</text><script>alert(1)</script>',
    '" onload="alert(1)',
    '\u0000\u001b[31m\u202e\uD800',
    ']]>&amp;<!--',
  ]) {
    const svg = drawHost(saying(word));
    t.strictSame(tags(svg), plain, JSON.stringify(word));
    t.notMatch(
      svg.replaceAll('\n', ''),
      /[\p{Cc}\p{Cs}\p{Bidi_Control}]/u,
      'no sign that XML forbids',
    );
  }
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (word) => tags(drawHost(saying(word))).length === plain.length,
    ),
  );
  t.end();
});

t.test('a string in an attribute or between elements is escaped', (t) => {
  const svg = svgText(element('g', { class: `a"b'<&` }, ['<b>', element('text', {}, ['\u0007c'])]));
  t.equal(svg, '<g class="a&quot;b&#39;&lt;&amp;">\n &lt;b&gt;\n <text>\ufffdc</text>\n</g>\n');
  t.end();
});

t.test('a long name is cut, ports beyond four are counted, and containers wrap into rows', (t) => {
  const container = {
    name: 'n'.repeat(80),
    addresses: ['10.0.0.2'],
    veth: 'veth0',
    ports: ['1', '2', '3', '4', '5', '6'],
  };
  const network = { name: 'n', bridge: 'b', addresses: [], internal: false };
  const draw = (count: number) =>
    drawHost({
      title: '',
      uplink: '',
      networks: [{ ...network, containers: Array.from({ length: count }, () => container) }],
    });
  t.match(draw(1), />n{22}…<\/text>/);
  t.match(draw(1), />and 3 more<\/text>/);
  t.notMatch(draw(1), />4<\/text>/);
  const [, width] = /width="(\d+)"/.exec(draw(3)) ?? [];
  t.ok(draw(4).includes(`width="${width}"`), 'four are as wide as three');
  const heights = [3, 4].map((count) => Number(/height="(\d+)"/.exec(draw(count))?.[1]));
  t.ok((heights[1] ?? 0) > (heights[0] ?? 0), 'and higher');
  t.match(drawHost({ title: '', uplink: '', networks: [] }), /^<svg .*\n.*<\/svg>\n$/s);
  t.end();
});
