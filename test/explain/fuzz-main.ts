/** `npm run explain:fuzz -- [--packets N] [--seed S] [--family 4|6] [--rules KIND] [--per-set N]`: root; in a namespace of its own. */
import { parseArgs } from 'node:util';
import { newSeed, Random } from '../fuzz/random.js';
import { inFreshNamespace } from '../process/netns.js';
import type { Course, Difference } from './fuzz.js';

inFreshNamespace();

const { ExplainFuzz, ruleKinds } = await import('./fuzz.js');
const { NftTrace, startTracing } = await import('./kernel-trace.js');
const { LegacyTrace } = await import('./legacy-trace.js');
const { makeHost, scenes } = await import('./scene.js');
const { RawSender } = await import('./tun.js');

/** Rules at which the two ways part, with their text. */
function firstDifference({ kernel, simulated, rules }: Difference): string[] {
  const at = kernel.findIndex((line, index) => line !== simulated[index]);
  const part = at === -1 ? kernel.length : at;
  return [kernel[part], simulated[part]].map((line) => {
    const [table, chain, number] = (line ?? '').split(' ');
    const section = rules.split(`*${table}\n`)[1]?.split('\nCOMMIT')[0] ?? '';
    const inChain = section.split('\n').filter((each) => new RegExp(`-A ${chain} `).test(each));
    return `    ${line}: ${inChain[Number(number) - 1] ?? ''}`;
  });
}

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(newSeed()) },
    family: { type: 'string', default: '4' },
    'per-set': { type: 'string', default: '12' },
    rules: { type: 'string', default: 'iptables' },
    'show-rules': { type: 'boolean', default: false },
    show: { type: 'string', default: '3' },
  },
});
const family = values.family === '6' ? 6 : 4;
const rules = ruleKinds.find((kind) => kind === values.rules);
if (rules === undefined) throw new Error(`--rules takes one of ${ruleKinds.join(', ')}`);
const host = makeHost();
const sender = new RawSender();
const traces = { nft: new NftTrace(), legacy: new LegacyTrace() };
startTracing();
let [packets, differences, shown] = [0, 0, 0];
const courses = new Map<Course, number>();
const perRound = Number(values['per-set']);
for (let seed = Number(values.seed); packets < Number(values.packets); seed += 1) {
  const fuzz = new ExplainFuzz(new Random(seed), scenes[family], host, sender, traces, rules);
  for (const found of await fuzz.round(perRound)) {
    differences += 1;
    shown += 1;
    if (shown > Number(values.show)) continue;
    console.log(`seed ${seed}: ${JSON.stringify(found.packet)}`);
    console.log(
      `  kernel:    ${found.kernel.join(', ')}\n  simulated: ${found.simulated.join(', ')}`,
    );
    for (const line of firstDifference(found)) console.log(line);
    if (values['show-rules']) console.log(found.rules.replace(/^#.*\n/gm, ''));
  }
  packets += perRound;
  for (const [course, count] of fuzz.courses) {
    courses.set(course, (courses.get(course) ?? 0) + count);
  }
}
console.log(`${packets} packets of IPv${family} (${rules}), ${differences} differences`);
console.log([...courses].map(([course, count]) => `${count} ${course}`).join(', '));
for (const each of [traces.nft, traces.legacy, sender, host]) each.close();
process.exitCode = differences === 0 ? 0 : 1;
