/** Commands of an administrator and of ours in any order: what his rules mean does not depend on it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { Family } from '../../../src/core/address.js';
import { generations } from '../../../src/core/generations/all.js';
import { disorderedRules, repeatedRules } from '../../../src/core/rules/disorder.js';
import {
  builtInChains,
  type Chain,
  type PlacedRule,
  type Rule,
  type Table,
  tables,
} from '../../../src/core/rules/rule.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { networksWithPorts } from '../../fakes/arbitrary.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../golden/golden.js';
import { planRules } from '../../golden/plan-rules.js';

const others = [
  ['filter', 'FORWARD'],
  ['filter', 'DOCKER-USER'],
  ['filter', 'INPUT'],
  ['nat', 'PREROUTING'],
  ['nat', 'OUTPUT'],
  ['nat', 'POSTROUTING'],
  ['raw', 'PREROUTING'],
  ['mangle', 'POSTROUTING'],
] as const satisfies [Table, Chain][];

const command = fc.record({
  op: fc.constantFrom('append', 'insert', 'flush', 'delete', 'delete-ours', 'twice', 'twice'),
  chain: fc.constantFrom(...others),
  line: fc.nat(40),
});
/** One of ours: all that is wanted is made true, as a repair or a call does it. */
const step = fc.oneof(command, fc.constant('ours' as const));

const world = fc.record({
  generation: fc.constantFrom(...Object.values(generations)),
  family: fc.constantFrom<Family>(4, 6),
  settings: fc.record({ userlandProxy: fc.boolean() }),
  networks: networksWithPorts,
  steps: fc.array(step, { maxLength: 25 }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** The rules of each network in the order in which they are written. */
function wantedGroups({ generation, family, settings, networks }: World): PlacedRule[][] {
  const host = new RuleHost(generation, family, settings);
  return networks.flatMap(({ network, ports }) => {
    const own = host.rulesOf(network);
    const index = network.bridge.slice(3);
    const endpoint = makeEndpoint(
      network,
      `10.${index}.0.2/24`,
      network.ipv6 && `fd00:${index}::2/64`,
    );
    const more = [
      ...host.endpointRules(network, endpoint),
      ...host.portRules(network, network.internal ? [] : ports),
    ];
    host.addNetwork(network);
    return [own, more];
  });
}

/** A host on which both write, beside what the administrator's chains hold without us. */
class SharedHost {
  readonly found = new RuleSet();
  readonly alone = new Map<string, string[]>();
  readonly #groups: PlacedRule[][];
  #count = 0;

  constructor(private readonly world: World) {
    this.#groups = wantedGroups(world);
    for (const table of tables) {
      for (const chain of builtInChains) this.found.addChain(table, chain, 'ACCEPT');
    }
  }

  ours(): void {
    const { generation, family, settings } = this.world;
    const add = this.#groups.flat();
    const lift: Rule[] = [
      ...this.#groups.flatMap((group) => disorderedRules(this.found, group)),
      ...repeatedRules(this.found, add),
    ];
    planRules(this.found, generation.baseRules(family, settings), {
      add,
      remove: [],
      relocate: lift,
    });
  }

  theirs({ op, chain: [table, chain], line }: Exclude<World['steps'][number], 'ours'>): void {
    if (op === 'twice') this.#restoreDumpOfNow();
    if (op === 'twice' || !this.found.hasChain(table, chain)) return;
    const lines = [...this.found.rules(table, chain)];
    const alone = this.alone.get(`${table} ${chain}`) ?? [];
    this.#count += 1;
    const text = `-s 203.0.113.${this.#count}/32 -j DROP`;
    const mine = alone[line % Math.max(1, alone.length)];
    const ours = lines.filter((one) => !alone.includes(one));
    if (op === 'append') {
      lines.push(text);
      alone.push(text);
    } else if (op === 'insert') {
      lines.unshift(text);
      alone.unshift(text);
    } else if (op === 'flush') {
      lines.length = 0;
      alone.length = 0;
    } else if (op === 'delete' && mine !== undefined) {
      lines.splice(lines.indexOf(mine), 1);
      alone.splice(alone.indexOf(mine), 1);
    } else if (op === 'delete-ours' && ours.length > 0) {
      lines.splice(lines.indexOf(ours[line % ours.length] ?? ''), 1);
    }
    this.alone.set(`${table} ${chain}`, alone);
    this.#replace(table, chain, lines);
  }

  /** By `iptables-restore --noflush`; of theirs the copies are left out, to tell them apart. */
  #restoreDumpOfNow(): void {
    for (const [table, chain] of others) {
      if (!this.found.hasChain(table, chain)) continue;
      const lines = this.found.rules(table, chain);
      const alone = this.alone.get(`${table} ${chain}`) ?? [];
      this.#replace(table, chain, [...lines, ...lines.filter((one) => !alone.includes(one))]);
    }
  }

  #replace(table: Table, chain: Chain, lines: readonly string[]): void {
    const copy = this.found.copy();
    copy.apply([{ op: 'delete-chain', table, chain: chain as 'DOCKER' }]);
    const policy = this.found.policy(table, chain);
    copy.addChain(table, chain, policy);
    for (const text of lines) copy.append(table, chain, text);
    Object.assign(this, { found: copy });
  }
}

/**
 * `a ABOVE b`, for each of theirs and each of ours in the chain. Of copies the first one counts, but
 * in POSTROUTING, where ours are about packets of a container to itself, those with one copy only.
 */
function order(chain: Chain, lines: readonly string[], alone: readonly string[]): Set<string> {
  const counted = lines.filter((text, index) =>
    chain === 'POSTROUTING'
      ? lines.indexOf(text) === lines.lastIndexOf(text)
      : lines.indexOf(text) === index,
  );
  const pairs = new Set<string>();
  counted.forEach((upper, index) => {
    for (const lower of counted.slice(index + 1)) {
      if (alone.includes(upper) !== alone.includes(lower)) pairs.add(`${upper} ABOVE ${lower}`);
    }
  });
  return pairs;
}

t.test(
  'no order of their commands and ours touches, moves or passes a rule of theirs',
  async () => {
    fc.assert(
      fc.property(world, (w) => {
        const host = new SharedHost(w);
        host.ours();
        for (const each of w.steps) {
          const before = others.map(([table, chain]) => {
            const alone = host.alone.get(`${table} ${chain}`) ?? [];
            return order(chain, host.found.rules(table, chain), alone);
          });
          if (each === 'ours') host.ours();
          else host.theirs(each);
          for (const [index, [table, chain]] of others.entries()) {
            const key = `${table} ${chain}`;
            const alone = host.alone.get(key) ?? [];
            const lines = host.found.rules(table, chain);
            if (chain === 'DOCKER-USER') assert.deepEqual(lines, alone, 'nothing of ours is there');
            assert.deepEqual(
              lines.filter((text) => alone.includes(text)),
              alone,
              `${key}: as if they were alone`,
            );
            if (each !== 'ours') continue;
            const now = order(chain, lines, alone);
            for (const pair of before[index] ?? []) {
              const [upper, lower] = pair.split(' ABOVE ');
              // A jump that was deleted comes back on top, where dockerd makes it, too.
              if (lower?.startsWith('-j DOCKER')) continue;
              const turned = `${lower} ABOVE ${upper}`;
              assert.ok(!now.has(turned), `${key}: ${pair}, and no longer`);
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  },
);

t.test('a rule in POSTROUTING that comes back moves none below a rule of theirs', async (t) => {
  for (const generation of Object.values(generations)) {
    const settings = { userlandProxy: false };
    const network = makeNetwork('br-0', '172.18.0.0/16', '172.18.0.1');
    const ports = [1, 2].map((port) => makeBinding(`0.0.0.0:${port}`, `172.18.0.2:${port}`));
    const host = new SharedHost({
      ...{ generation, settings, family: 4, steps: [] },
      networks: [{ network, ports }],
    });
    host.ours();
    const chain = ['nat', 'POSTROUTING'] as const satisfies [Table, Chain];
    const lines = [...host.found.rules(...chain)];
    host.theirs({ op: 'append', chain, line: 0 });
    // The first of the two about a container's packets to itself.
    host.theirs({ op: 'delete-ours', chain, line: lines.length - 2 });
    host.ours();
    const now = host.found.rules(...chain);
    const [theirs] = host.alone.get(chain.join(' ')) ?? [];
    t.ok(now.indexOf(lines.at(-1) ?? '') < now.indexOf(theirs ?? ''), generation.name);
    t.ok(now.includes(lines.at(-2) ?? ''), 'and the deleted one is back');
  }
});

t.test('after a flush, what is appended stands below ours whoever comes first', async () => {
  fc.assert(
    fc.property(world, fc.constantFrom('FORWARD', 'DOCKER-USER'), (w, name) => {
      // A drop of ours at the very end of FORWARD (icc off, up to 27) is met as it was written.
      if (w.networks.some(({ network }) => !network.icc || network.internal)) return;
      const chain = ['filter', name] as const satisfies [Table, Chain];
      const append = { op: 'append', chain, line: 0 } as const;
      const flush = { op: 'flush', chain, line: 0 } as const;
      const [first, second] = [new SharedHost(w), new SharedHost(w)];
      for (const host of [first, second]) {
        host.ours();
        host.theirs(flush);
      }
      first.theirs(append);
      first.ours();
      second.ours();
      second.theirs(append);
      assert.deepEqual(first.found.rules(...chain), second.found.rules(...chain));
    }),
    { numRuns: 100 },
  );
});

t.test('what we write into chains of others is about our own networks and ports only', async () => {
  fc.assert(
    fc.property(world, (w) => {
      const wanted = wantedGroups(w).flat();
      const base = w.generation.baseRules(w.family, w.settings).rules;
      for (const { rule } of base) {
        if (!(builtInChains as readonly string[]).includes(rule.chain)) continue;
        assert.ok(typeof rule.target === 'object' && 'jump' in rule.target, rule.text);
      }
      for (const { rule } of wanted) {
        assert.notEqual(rule.chain as string, 'DOCKER-USER');
        if (!(builtInChains as readonly string[]).includes(rule.chain)) continue;
        // Decides nothing.
        if (rule.target === 'CHECKSUM') continue;
        const { matches } = rule;
        const named = [
          matches.inInterface,
          matches.outInterface,
          matches.source,
          matches.destination,
        ].some((match) => match !== undefined && !(typeof match === 'object' && 'not' in match));
        assert.ok(named, `${rule.table} ${rule.chain} ${rule.text}`);
      }
    }),
    { numRuns: 200 },
  );
});
