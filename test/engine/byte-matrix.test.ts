/** The bytes of each version of iptables that a supported system has, and that our own messages are the same. */
import { inFreshNamespace, isInstalled } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('unshare')) {
  t.plan(0, 'needs unshare');
  process.exit(0);
}
const { rmSync } = await import('node:fs');
const { engineRoot } = await import('../lab/lab.js');
const { goldenRules } = await import('../golden/sample-rules.js');
const { bytesKey, readRuleBytes, sampledRules, writeRuleBytes } = await import(
  '../golden/rule-bytes.js'
);
const { renderProbe } = await import('../../src/codec/nf-tables/rule-probe.js');
const { IptablesProbe } = await import('../../src/host/nf-tables/iptables-probe.js');
const { iptablesOf } = await import('../process/iptables-of.js');
const { holdBytes } = await import('../process/byte-equality.js');
const { run } = await import('../process/netns.js');

const versions = [
  ['bullseye', '1.8.7'],
  ['bookworm', '1.8.9'],
  ['trixie', '1.8.11'],
  ['forky', '1.8.13'],
] as const;
const { PATH } = process.env;

const update = process.env.TSBRIDGE_UPDATE_GOLDEN === '1';
const bytes: Record<string, Record<string, string>> = {};
t.teardown(() => {
  if (update) writeRuleBytes(bytes);
});

async function sampledBytes(): Promise<Record<string, string>> {
  const probe = new IptablesProbe((family) => `ip${family === 6 ? '6' : ''}tables-nft-restore`);
  const sampled: Record<string, string> = {};
  for (const { rule, examples } of sampledRules()) {
    const rules = [...examples, rule];
    const reported = await probe.run(rule.family, renderProbe(rule.table, rules));
    reported.forEach(({ expressions }, index) => {
      sampled[bytesKey(rules[index] as typeof rule)] = expressions.toString('hex');
    });
  }
  return sampled;
}

for (const [suite, version] of versions) {
  t.test(`iptables ${version}`, async (t) => {
    const programs = iptablesOf(await engineRoot(suite));
    process.env.PATH = `${programs}:${PATH}`;
    t.teardown(() => {
      process.env.PATH = PATH;
      rmSync(programs, { recursive: true });
      run('nft', ['flush', 'ruleset']);
    });
    t.match(run('iptables-nft', ['--version']), `v${version} `, 'as Debian has it');
    await holdBytes(t, goldenRules());
    bytes[version] = await sampledBytes();
    if (!update) t.same(bytes[version], readRuleBytes()[version], 'as the fixture has them');
  });
}
