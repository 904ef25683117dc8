/** The backends with which the driver's tests run: each test with both, in suites of their own. */

import type { Rule } from '../../src/core/rules/rule.js';
import type { Log, RuleBackend } from '../../src/driver/host.js';
import { RestoreBackend } from '../../src/host/iptables/restore-backend.js';
import { NetlinkBackend } from '../../src/host/nf-tables/netlink-backend.js';
import type { FakeFirewall } from './fake-firewall.js';
import type { Interpose } from './fake-host.js';
import { FakeNft } from './fake-nft.js';
import { MemoryBackend } from './memory-backend.js';

/**
 * `text`: the real backend, on an iptables in memory; `netlink`: the real one on an nf_tables in memory, too;
 * `memory`: one that knows neither.
 */
export type BackendKind = 'text' | 'memory' | 'netlink';

let kind: BackendKind = 'text';

export const usedBackend = (): BackendKind => kind;

/** For all tests of this process. */
export function useBackend(chosen: BackendKind): void {
  kind = chosen;
}

export function makeBackend(kernel: FakeFirewall, interpose: Interpose, log: Log): RuleBackend {
  if (kind === 'memory') return interpose('firewall', new MemoryBackend(kernel, log));
  const iptables = interpose('firewall', kernel);
  const restore = new RestoreBackend(iptables, log);
  if (kind === 'text') return restore;
  const nft = new FakeNft(kernel, true);
  const transaction = nft.transaction.bind(nft);
  // The questions are answered at once, so that nothing can come in between.
  nft.transaction = interpose('firewall', { transaction }).transaction;
  return new NetlinkBackend(restore, everythingLearnt, log, true, () => nft);
}

/** The bytes of a rule are its text, as {@link FakeNft} has them. */
const everythingLearnt = {
  follow: () => true,
  expressions: ({ text }: Rule) => Buffer.from(text),
  learn: async () => {},
};
