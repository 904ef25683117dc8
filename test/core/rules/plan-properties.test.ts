/** What must hold for any networks, in any generation, beside any rules of others. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { renderRestore } from '../../../src/codec/iptables/iptables-restore.js';
import { parseSave } from '../../../src/codec/iptables/iptables-save.js';
import type { Family } from '../../../src/core/address.js';
import { generations } from '../../../src/core/generations/all.js';
import {
  builtInChains,
  type Chain,
  type PlacedRule,
  type Table,
  tables,
} from '../../../src/core/rules/rule.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { networksWithPorts } from '../../fakes/arbitrary.js';
import { FakeFirewall } from '../../fakes/fake-firewall.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { listing, makeEndpoint } from '../../golden/golden.js';
import { planRules } from '../../golden/plan-rules.js';

const world = fc.record({
  generation: fc.constantFrom(...Object.values(generations)),
  family: fc.constantFrom<Family>(4, 6),
  settings: fc.record({ userlandProxy: fc.boolean() }),
  networks: networksWithPorts,
  /** Rules of others: chain, and where among what is there in hundredths. */
  foreign: fc.array(
    fc.record({
      chain: fc.constantFrom<[Table, Chain][]>(
        ['filter', 'FORWARD'],
        ['nat', 'PREROUTING'],
        ['nat', 'OUTPUT'],
        ['nat', 'POSTROUTING'],
        ['raw', 'PREROUTING'],
      ),
      text: fc.constantFrom('-j DOCKER-INGRESS', '-i eth0 -j ACCEPT', '-j LIBVIRT', '-j ufw'),
      at: fc.integer({ min: 0, max: 99 }),
    }),
    { maxLength: 6 },
  ),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** The shared chains as an engine has made them, and rules of others among them. */
function start({ generation, family, settings, networks, foreign }: World): RuleHost {
  const host = new RuleHost(generation, family, settings);
  for (const { network } of networks) host.addNetwork(network);
  for (const { network } of networks) host.removeNetwork(network);
  const rules = listing(host.found);
  for (const { chain, text, at } of foreign) {
    const key = chain.join(' ');
    const present = [...(rules[key] ?? [])];
    present.splice(Math.floor((at * (present.length + 1)) / 100), 0, text);
    rules[key] = [...new Set(present)];
  }
  return new RuleHost(generation, family, settings, ruleSetOf(rules));
}

function addAll(host: RuleHost, { networks }: World): void {
  for (const { network, ports } of networks) {
    host.addNetwork(network);
    host.addContainer(network, endpointOf(network), network.internal ? [] : ports);
  }
}

function removeAll(host: RuleHost, { networks }: World): void {
  for (const { network, ports } of networks) {
    host.removeContainer(network, endpointOf(network), ports);
    host.removeNetwork(network);
  }
}

function endpointOf(network: World['networks'][number]['network']) {
  const index = network.bridge.slice(3);
  const ipv6 = network.ipv6 && `fd00:${index}::2/64`;
  return makeEndpoint(network, `10.${index}.0.2/24`, ipv6);
}

const isSubsequence = (part: readonly string[], whole: readonly string[]): boolean => {
  let at = 0;
  for (const text of whole) if (text === part[at]) at += 1;
  return at === part.length;
};

const runs = { numRuns: 150 };

t.test('removing a request undoes adding it', async () => {
  fc.assert(
    fc.property(world, (w) => {
      const host = start(w);
      const before = listing(host.found);
      addAll(host, w);
      removeAll(host, w);
      assert.deepEqual(listing(host.found), before);
    }),
    runs,
  );
});

t.test('planning a second time changes no rule', async () => {
  fc.assert(
    fc.property(world, (w) => {
      const host = start(w);
      addAll(host, w);
      const again = new RuleHost(w.generation, w.family, w.settings, host.found);
      addAll(again, w);
      assert.deepEqual(again.commits.flat(), []);
    }),
    runs,
  );
});

t.test('what was there keeps its order; ours stand below the anchors', async () => {
  fc.assert(
    fc.property(world, (w) => {
      const host = start(w);
      const before = listing(host.found);
      addAll(host, w);
      const after = listing(host.found);
      for (const [chain, texts] of Object.entries(before)) {
        if (!isSubsequence(texts, after[chain] ?? [])) assert.deepEqual(after[chain], texts, chain);
      }
      const anchors = w.generation
        .baseRules(w.family, w.settings)
        .rules.filter((rule) => rule.place === 'anchor');
      for (const { rule } of anchors) {
        const key = `${rule.table} ${rule.chain}`;
        const own = (after[key] ?? []).findIndex((text) => !(before[key] ?? []).includes(text));
        const anchor = (after[key] ?? []).indexOf(rule.text);
        if (own >= 0 && anchor > own) assert.fail(`${rule.text} below ${after[key]?.[own]}`);
      }
    }),
    runs,
  );
});

t.test('iptables-restore makes of a commit what the plan says', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (w) => {
      const host = start(w);
      const firewall = new FakeFirewall();
      await firewall.restore(w.family, restoreText(host.found));
      addAll(host, w);
      for (const changes of host.commits) {
        await firewall.restore(w.family, renderRestore(changes));
      }
      assert.deepEqual(listing(parseSave(await firewall.read(w.family))), listing(host.found));
    }),
    { numRuns: 60 },
  );
});

t.test('whatever was taken away or moved is right again after one plan', async () => {
  const damage = fc.array(
    fc.record({
      chain: fc.nat(30),
      line: fc.nat(30),
      what: fc.constantFrom('drop' as const, 'lift' as const),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(world, damage, (w, harm) => {
      const host = start(w);
      addAll(host, w);
      const chains = Object.entries(listing(host.found)).map(([key, lines]): [string, string[]] => [
        key,
        [...lines],
      ]);
      for (const { chain, line, what } of harm) {
        const lines = chains[chain % chains.length]?.[1] ?? [];
        const taken = lines.splice(line % (lines.length + 1), 1);
        if (what === 'lift') lines.unshift(...taken);
      }
      const harmed = Object.fromEntries(chains);
      const found = ruleSetOf(harmed);
      const base = w.generation.baseRules(w.family, w.settings);
      const add = wantedRules(w);
      const edit = { add, remove: [] };
      planRules(found, base, edit);
      const after = listing(found);
      assert.deepEqual(planRules(found, base, edit), [], 'one plan is enough');
      // Without a rule of ours nothing of the base is wanted either.
      const wanted = add.length === 0 ? [] : [...base.rules, ...add];
      assert.ok(
        wanted.every(({ rule }) => found.has(rule)),
        'everything is there',
      );
      for (const key of Object.keys(after)) {
        const texts = after[key] ?? [];
        const own = new Set<string>(wanted.map(({ rule }) => rule.text));
        const foreign = (lines: readonly string[] = []) => lines.filter((one) => !own.has(one));
        assert.deepEqual(foreign(texts), foreign(harmed[key]), `${key}: what others have there`);
        const anchors = wanted.filter(
          ({ rule, place }) => place === 'anchor' && `${rule.table} ${rule.chain}` === key,
        );
        const positions = anchors.map(({ rule }) => texts.indexOf(rule.text));
        assert.deepEqual(
          positions,
          positions.toSorted((a, b) => a - b),
          `${key}: anchors in order`,
        );
        const first = add
          .filter(({ rule }) => `${rule.table} ${rule.chain}` === key)
          .map(({ rule }) => texts.indexOf(rule.text));
        assert.ok(Math.max(-1, ...positions) < Math.min(...first, Number.POSITIVE_INFINITY), key);
      }
    }),
    { numRuns: 60 },
  );
});

/** All that `addAll` adds, as a repair asks for it. */
function wantedRules(w: World): PlacedRule[] {
  const { generation, family, settings, networks } = w;
  const host = new RuleHost(generation, family, settings);
  return networks.flatMap(({ network, ports }) => {
    const rules = [
      ...host.rulesOf(network),
      ...generation.endpointRules(network, endpointOf(network), family),
      ...host.portRules(network, network.internal ? [] : ports),
    ];
    host.addNetwork(network);
    return rules;
  });
}

function ruleSetOf(chains: Record<string, readonly string[]>): RuleSet {
  const found = new RuleSet();
  for (const table of tables) {
    for (const chain of builtInChains) found.addChain(table, chain, 'ACCEPT');
    found.addChain(table, 'DOCKER-INGRESS');
  }
  for (const [key, texts] of Object.entries(chains)) {
    const [table, chain] = key.split(' ') as [Table, Chain];
    found.addChain(table, chain);
    for (const text of texts) found.append(table, chain, text);
  }
  return found;
}

/** Restore text that makes a fresh host have these rules. */
function restoreText(found: RuleSet): string {
  const lines: string[] = [];
  for (const table of tables) {
    const names = found.chains(table) as Chain[];
    lines.push(`*${table}`);
    for (const name of names) {
      if (!(builtInChains as readonly string[]).includes(name)) lines.push(`-N ${name}`);
    }
    for (const name of names) {
      for (const text of found.rules(table, name)) lines.push(`-A ${name} ${text}`);
    }
    lines.push('COMMIT');
  }
  return `${lines.join('\n')}\n`;
}
