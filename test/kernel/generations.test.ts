/**
 * Each section of the golden file through the real iptables-restore and back: what the kernel holds
 * must be what the model says, and what the engine left.
 */
import type { PlacedRule } from '../../src/core/rules/rule.js';
import type { RuleChange } from '../../src/core/rules/rule-set.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawnSync } = await import('node:child_process');
const { default: fc } = await import('fast-check');
const { generations, ipv6Ways } = await import('../../src/core/generations/all.js');
const { parseSave } = await import('../../src/codec/iptables/iptables-save.js');
const { renderRestore } = await import('../../src/codec/iptables/iptables-restore.js');
const { ruleOf } = await import('../fakes/arbitrary.js');
const {
  goldenSections,
  listing,
  listingOf,
  makeBinding,
  makeEndpoint,
  makeNetwork,
  withEngineReturn,
} = await import('../golden/golden.js');
const { planRules } = await import('../golden/plan-rules.js');
const { RuleHost } = await import('../fakes/rule-host.js');
const { play } = await import('../golden/golden-tour.js');

type Family = 4 | 6;
type Host = InstanceType<typeof RuleHost>;
type Variant = 'nft' | 'legacy';

// /run/xtables.lock of our own: the machine's must not be held, nor waited for.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const program = (variant: Variant, family: Family, what = '') =>
  `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}${what}`;

const tables = ['raw', 'mangle', 'nat', 'filter'];

/** Installed, and the kernel has its tables. */
function works(variant: Variant, family: Family): boolean {
  const name = program(variant, family);
  if (!isInstalled(name)) return false;
  return tables.every((table) => spawnSync(name, ['-w', '-t', table, '-S']).status === 0);
}

function restore(variant: Variant, family: Family, text: string, ...flags: string[]): void {
  if (text !== '') run(program(variant, family, '-restore'), [...flags, '-w'], text);
}

/** Without `--noflush` a table's own chains go and the built-in ones become empty. */
function flush(variant: Variant, family: Family): void {
  const text = tables.map((table) => `*${table}\nCOMMIT\n`).join('');
  restore(variant, family, text);
}

const saved = (variant: Variant, family: Family): string =>
  run(program(variant, family, '-save'), []);

/**
 * Calls that come together share a commit: here all that add, and all that remove. Not both at
 * once: iptables-nft 1.8.9 refuses a batch in which a rule is inserted, another is inserted above
 * it, and the first is deleted again ("RULE_INSERT failed (No such file or directory)").
 */
function together(commits: readonly RuleChange[][]): RuleChange[][] {
  const removes = (changes: readonly RuleChange[]) => changes.some(({ op }) => op === 'delete');
  const batches: RuleChange[][] = [];
  commits.forEach((changes, index) => {
    const last = batches.at(-1);
    const before = commits[index - 1];
    if (last && before && removes(before) === removes(changes)) last.push(...changes);
    else batches.push([...changes]);
  });
  return batches;
}

/** 26.1.5 has what 20.10.24 has, and IPv6 as 25.0 has it. */
const engines = {
  '17.03': generations.docker17,
  '26.1.5': generations.docker20,
  '28.5.2': generations.docker28,
  '29-master': generations.docker29,
};

const network = makeNetwork(
  'br-x',
  '10.6.0.0/24',
  '10.6.0.1',
  {},
  { ipv6: { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' } },
);
const secret = makeNetwork(
  'br-s',
  '10.7.0.0/24',
  '10.7.0.1',
  {},
  { internal: true, ipv6: { subnet: 'fd00:7::/64', gateway: 'fd00:7::1/64' } },
);
const endpoint = makeEndpoint(network, '10.6.0.2/24', 'fd00:6::2/64');
const ports = [
  makeBinding('127.0.0.1:8085', '10.6.0.2:80'),
  makeBinding('[::]:9899', '[fd00:6::2]:99', 'sctp'),
];

/** Calls, each answering with the rules that it wants. */
const tour: ((host: Host) => PlacedRule[])[] = [
  (host) => {
    const rules = host.rulesOf(network);
    host.addNetwork(network);
    return rules;
  },
  (host) => {
    const rules = host.rulesOf(secret);
    host.addNetwork(secret);
    return rules;
  },
  (host) => {
    host.addContainer(network, endpoint, ports);
    return [...host.endpointRules(network, endpoint), ...host.portRules(network, ports)];
  },
];

const idOf = ({ rule }: PlacedRule): string => `${rule.table} ${rule.chain} ${rule.text}`;

/** Without the order, and without DOCKER-USER, which a move leaves as it is. */
const sorted = (chains: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(chains)
    .filter(([chain]) => chain !== 'filter DOCKER-USER')
    .map(([chain, lines]) => [chain, lines.filter((line) => line !== userJump).sort()] as const)
    .filter(([chain, lines]) => lines.length > 0 || /DOCKER/.test(chain));
const userJump = '-j DOCKER-USER';

for (const variant of ['nft', 'legacy'] as const) {
  for (const family of [4, 6] as const) {
    const options = { skip: !works(variant, family) && `no ${program(variant, family)} here` };
    t.test(program(variant, family), options, async (t) => {
      for (const [engine, generation] of Object.entries(engines)) {
        for (const [name, golden] of goldenSections()) {
          if (!name.startsWith(engine) || !name.includes(`IPv${family}:`)) continue;
          const { host, undo, before } = play(name, generation);
          const commit = (): void => {
            for (const changes of together(host.commits.splice(0))) {
              restore(variant, family, renderRestore(changes), '--noflush');
            }
          };
          commit();
          const found = listingOf(saved(variant, family));
          t.same(found, listing(host.found), `${name}: as the model says`);
          // That one has the jumps of IPv6 networks already: see docker20.test.ts.
          if (!(name.startsWith('26.1.5') && name.includes('IPv6: startup'))) {
            const whole = withEngineReturn(generation.name, found);
            t.same(whole, listingOf(golden), `${name}: as the engine`);
          }
          undo();
          commit();
          t.same(listingOf(saved(variant, family)), before, `${name}: and back`);
          flush(variant, family);
        }
      }
    });

    t.test(`${program(variant, family)}: from one generation to another`, options, async (t) => {
      const all = Object.values(generations).filter(
        ({ name }) => ipv6Ways[name].rules || family === 4,
      );
      for (const former of all) {
        for (const next of all) {
          if (former === next) continue;
          const settings = { userlandProxy: true };
          const host = new RuleHost(former, family, settings);
          const unwanted = tour.flatMap((step) => step(host));
          restore(variant, family, renderRestore(host.commits.flat()), '--noflush');
          const fresh = new RuleHost(next, family, settings);
          const add = tour.flatMap((step) => step(fresh));
          const kept = new Set(add.map(idOf));
          const changes = planRules(host.found, next.baseRules(family, settings), {
            add,
            remove: unwanted.filter((rule) => !kept.has(idOf(rule))).map(({ rule }) => rule),
            dropBase: [former.baseRules(family, settings)],
          });
          restore(variant, family, renderRestore(changes), '--noflush');
          const title = `${former.name} to ${next.name}`;
          const found = listingOf(saved(variant, family));
          t.same(found, listing(host.found), `${title}: as the plan says`);
          t.same(sorted(found), sorted(listing(fresh.found)), `${title}: nothing else is left`);
          flush(variant, family);
        }
      }
    });

    t.test(`${program(variant, family)} prints our words`, options, async (t) => {
      const rules = fc.sample(ruleOf(family), { numRuns: 300, seed: 2026 });
      const lines = (['nat', 'filter'] as const).flatMap((table) => [
        `*${table}`,
        ':DOCKER - [0:0]',
        ...rules.filter((rule) => rule.table === table).map(({ text }) => `-A DOCKER ${text}`),
        'COMMIT',
      ]);
      restore(variant, family, `${lines.join('\n')}\n`);
      const found = parseSave(saved(variant, family));
      for (const table of ['nat', 'filter'] as const) {
        const own = rules.filter((rule) => rule.table === table).map(({ text }) => text);
        t.same(found.rules(table, 'DOCKER'), own, table);
      }
      flush(variant, family);
    });

    t.test(`${program(variant, family)}: the policy of FORWARD`, options, async (t) => {
      const policy = { op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' } as const;
      restore(variant, family, renderRestore([policy]), '--noflush');
      t.match(saved(variant, family), /^:FORWARD DROP /m);
    });
  }
}
