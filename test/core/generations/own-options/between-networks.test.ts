/** Which bridges are kept out of what `tsbridge.accept_from` accepts, and when these rules come and go. */
import t from 'tap';
import { parseSave } from '../../../../src/codec/iptables/iptables-save.js';
import { generations } from '../../../../src/core/generations/all.js';
import { acceptGroups } from '../../../../src/core/generations/own-options/accept-from.js';
import {
  allApart,
  apartAfter,
  apartWith,
} from '../../../../src/core/generations/own-options/between-networks.js';
import type { NetworkSpec } from '../../../../src/core/network/network.js';
import { makeNetwork } from '../../../golden/golden.js';

const option = { 'tsbridge.accept_from': '10.0.0.0/8' };
const open = makeNetwork('br-open', '10.5.0.0/24', '10.5.0.1', option);
const wide = makeNetwork('br-wide', '10.4.0.0/24', '10.4.0.1', option);
const plain = makeNetwork('br-plain', '10.6.0.0/24', '10.6.0.1');
const inside = makeNetwork('br-in', '10.7.0.0/24', '10.7.0.1', {}, { internal: true });
const lan = makeNetwork('br-lan', '10.8.0.0/24', '10.8.0.1', { 'tsbridge.bridge': 'unmanaged' });
/** In which chain the engine's networks are seen, and in which tables their packets would be accepted. */
const cases = [
  ['docker17', 'FORWARD', ['filter']],
  ['docker20', 'FORWARD', ['filter']],
  ['docker28', 'DOCKER-BRIDGE', ['raw', 'filter']],
  ['docker29', 'DOCKER-BRIDGE', ['raw', 'filter']],
] as const;
for (const [name, chain, tables] of cases) {
  const observed = parseSave(
    ['*filter', `:${chain} - [0:0]`, `-A ${chain} -o docker0 -j DOCKER`, 'COMMIT'].join('\n'),
  );
  const host = (...networks: readonly NetworkSpec[]) => {
    return { generation: generations[name], networks, observed };
  };
  const bridges = (rules: ReturnType<typeof allApart>) =>
    rules
      .filter(({ rule }) => rule.table === 'filter')
      .map(({ rule }) => /^-i (\S+) -j RETURN$/.exec(rule.text)?.[1]);

  t.test(`${name}: the bridge of every network is kept out, whichever driver it has`, async (t) => {
    const all = allApart(host(open, plain, inside, lan), 4);
    t.strictSame(bridges(all), ['docker0', 'br-open', 'br-plain', 'br-in'], 'the LAN is not');
    t.strictSame(
      all
        .slice(0, tables.length)
        .map(({ place, rule }) => `${place} ${rule.table} ${rule.chain} ${rule.text}`),
      tables.map((table) => `top ${table} TSBRIDGE-ACCEPT -i docker0 -j RETURN`),
    );
    t.strictSame(
      acceptGroups(4).map(({ rules }) => rules.map(({ place, rule }) => `${place} ${rule.text}`)),
      [['end -j ACCEPT'], ['end -j ACCEPT']],
      'all others are let in',
    );
    t.strictSame(allApart(host(open, plain), 6), [], 'no source of the family');
    t.strictSame(allApart(host(plain), 4), []);
  });

  t.test(
    `${name}: the rules come with the first network that accepts sources, and go with the last`,
    async (t) => {
      t.strictSame(bridges(apartWith(host(plain, open), open, 4)), [
        'docker0',
        'br-plain',
        'br-open',
      ]);
      t.strictSame(bridges(apartWith(host(open, plain), plain, 4)), ['br-plain']);
      t.strictSame(apartWith(host(plain), plain, 4), []);
      t.strictSame(apartWith(host(open, lan), lan, 4), []);
      const returns = ['docker0', 'br-plain', 'br-open', 'br-gone'].map(
        (bridge) => `-A TSBRIDGE-ACCEPT -i ${bridge} -j RETURN`,
      );
      const written = parseSave(
        [
          '*raw',
          ':TSBRIDGE-ACCEPT - [0:0]',
          ...returns,
          '-A TSBRIDGE-ACCEPT -j ACCEPT',
          'COMMIT',
        ].join('\n'),
      );
      t.strictSame(
        bridges(apartAfter({ ...host(plain), observed: written }, open, 4)),
        ['br-open', 'docker0', 'br-plain', 'br-gone'],
        'also that of a network which is being removed, too, or which another driver has removed',
      );
      t.strictSame(bridges(apartAfter(host(plain, wide), open, 4)), ['br-open']);
      t.strictSame(bridges(apartAfter(host(open), plain, 4)), ['br-plain']);
      t.strictSame(bridges(apartAfter(host(), plain, 4)), ['br-plain'], 'while the others go, too');
    },
  );
}
