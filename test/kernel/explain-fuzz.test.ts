/** Random packets through random rules: the rules that the simulation says they meet, against the kernel's own trace. */
import { existsSync } from 'node:fs';
import { newSeed, Random } from '../fuzz/random.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { ExplainFuzz } = await import('../explain/fuzz.js');
const { NftTrace, startTracing, stopTracing } = await import('../explain/kernel-trace.js');
const { LegacyTrace } = await import('../explain/legacy-trace.js');
const { makeHost, scenes } = await import('../explain/scene.js');
const { RawSender } = await import('../explain/tun.js');

/** How many rule sets of each kind and family: of most kinds 500 packets, of both families together. */
const shares = [
  ['iptables', 7],
  ['legacy', 7],
  ['native', 7],
  ['tied', 2],
  ['map', 2],
] as const;
const packetsInRound = 36;

const hooksOf = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};
/** With each policy: iptables-restore leaves the policy of a chain that it is not told of. */
const emptyRules = Object.entries(hooksOf)
  .map(
    ([table, hooks]) => `*${table}\n${hooks.map((hook) => `:${hook} ACCEPT\n`).join('')}COMMIT\n`,
  )
  .join('');
/** Of both variants, so that packets meet the rules of one kind alone. */
function emptyTables(): void {
  for (const program of ['iptables', 'ip6tables']) {
    run(`${program}-nft-restore`, [], emptyRules);
    run(`${program}-legacy-restore`, [], emptyRules);
  }
}

const noTun = existsSync('/dev/net/tun') ? false : 'the kernel has no tun interfaces';
t.test(
  'random packets meet the rules that the kernel says they meet',
  { skip: noTun },
  async (t) => {
    const host = makeHost();
    const sender = new RawSender();
    const traces = { nft: new NftTrace(), legacy: new LegacyTrace() };
    t.teardown(() => {
      for (const each of [traces.nft, traces.legacy, sender, host]) each.close();
      stopTracing();
      emptyTables();
    });
    startTracing();
    const first = newSeed();
    for (const family of [4, 6] as const) {
      for (const [rules, rounds] of shares) {
        emptyTables();
        for (let seed = first; seed < first + rounds; seed += 1) {
          const fuzz = new ExplainFuzz(
            new Random(seed),
            scenes[family],
            host,
            sender,
            traces,
            rules,
          );
          const name = `IPv${family}, ${rules}, seed ${seed}`;
          t.strictSame(await fuzz.round(packetsInRound), [], name);
        }
      }
    }
  },
);
