import type { Family } from '../../src/core/address.js';
import type { InterfaceName } from '../../src/core/names.js';
import { makeRule, type Rule, type Table } from '../../src/core/rules/rule.js';
import type { RuleChange } from '../../src/core/rules/rule-set.js';
import { RestoreBackend } from '../../src/host/iptables/restore-backend.js';
import { NetlinkBackend } from '../../src/host/nf-tables/netlink-backend.js';
import { FakeFirewall } from './fake-firewall.js';
import { FakeNft } from './fake-nft.js';
import { RecordingLog } from './recording-log.js';

export function accept(bridge: string, family: Family = 4, table: Table = 'filter'): Rule {
  return makeRule(family, table, 'DOCKER', { inInterface: bridge as InterfaceName }, 'ACCEPT');
}
export const append = (rule: Rule): RuleChange => ({ op: 'append', rule });
export const remove = (rule: Rule): RuleChange => ({ op: 'delete', rule });

export async function makeHost() {
  const kernel = new FakeFirewall();
  const nft = new FakeNft(kernel);
  const learnt: Rule[] = [];
  const unknown = new Set<string>();
  const learning = {
    family4: true,
    follow: (family: Family) => family === 6 || learning.family4,
    expressions: (rule: Rule) => (unknown.has(rule.text) ? undefined : Buffer.from(rule.text)),
    learn: async (rules: readonly Rule[]) => {
      learnt.push(...rules);
      for (const { text } of rules) unknown.delete(text);
    },
  };
  const log = new RecordingLog();
  const restore = new RestoreBackend(kernel, log);
  const make = (enabled = true, most?: number) =>
    new NetlinkBackend(restore, learning, log, enabled, () => nft, most);
  for (const family of [4, 6] as const) {
    await kernel.restore(family, '*nat\n-N DOCKER\nCOMMIT\n*filter\n-N DOCKER\nCOMMIT\n');
  }
  kernel.restores.length = 0;
  return { kernel, nft, restore, learnt, unknown, learning, log, backend: make(), make };
}
