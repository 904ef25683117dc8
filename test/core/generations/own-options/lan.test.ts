/** The rules of a network on a bridge of the LAN, in each generation. */
import t from 'tap';
import { generations } from '../../../../src/core/generations/all.js';
import { generationFor } from '../../../../src/core/generations/own-options/lan.js';
import type { NetworkSpec } from '../../../../src/core/network/network.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../../golden/golden.js';

const settings = { userlandProxy: false };
const unmanaged = { 'tsbridge.bridge': 'unmanaged' };
const lan = makeNetwork('br-lan', '192.0.2.0/24', '192.0.2.2', unmanaged);
const binding = makeBinding('0.0.0.0:80', '192.0.2.17:80');

type Name = keyof typeof generations;
const texts = (name: Name, network: NetworkSpec, family: 4 | 6) =>
  generationFor(generations[name], network)
    .networkRules(network, family, settings)
    .map(({ place, rule }) => `${place} ${rule.table} ${rule.chain} ${rule.text}`);

const inside: Readonly<Record<Name, string>> = {
  docker17: 'top filter FORWARD -i br-lan -o br-lan -j ACCEPT',
  docker20: 'top filter FORWARD -i br-lan -o br-lan -j ACCEPT',
  docker28: 'end filter DOCKER-FORWARD -i br-lan -o br-lan -j ACCEPT',
  docker29: 'end filter DOCKER-FORWARD -i br-lan -o br-lan -j ACCEPT',
};

for (const name of Object.keys(inside) as Name[]) {
  t.test(
    `${name}: what passes inside of the bridge is accepted, and nothing else written`,
    async (t) => {
      t.same(texts(name, lan, 4), [inside[name]]);
      t.same(texts(name, lan, 6), [], 'a family that the network does not have');
      const none = { ...lan, ipv4: undefined };
      t.same(texts(name, none, 4), [inside[name]], 'without addresses of IPAM');
      t.same(texts(name, none, 6), name === 'docker17' ? [] : [inside[name]]);
      t.same(texts(name, { ...lan, lanFirewall: 'none' }, 4), []);
      const generation = generationFor(generations[name], lan);
      t.same(generation.endpointRules(lan, makeEndpoint(lan, '192.0.2.17/24'), 4), []);
      t.same(generation.portRules(lan, binding, settings), []);
      t.same(generation.routedPortRules?.(lan, binding) ?? [], []);
      t.equal(generation.pairRules, undefined);
      t.equal(
        generationFor(generations[name], lan),
        generation,
        'one object, as rules are compared',
      );
      const app = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1');
      t.equal(generationFor(generations[name], app), generations[name]);
    },
  );
}
