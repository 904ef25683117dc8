/** The backends with which the driver's tests run: each test with both, in suites of their own. */
import type { Log, RuleBackend } from '../../src/driver/host.js';
import { RestoreBackend } from '../../src/host/iptables/restore-backend.js';
import type { FakeFirewall } from './fake-firewall.js';
import type { Interpose } from './fake-host.js';
import { MemoryBackend } from './memory-backend.js';

/** `text`: the real backend, on an iptables in memory; `memory`: one that knows no text. */
export type BackendKind = 'text' | 'memory';

let kind: BackendKind = 'text';

/** For all tests of this process. */
export function useBackend(chosen: BackendKind): void {
  kind = chosen;
}

export function makeBackend(kernel: FakeFirewall, interpose: Interpose, log: Log): RuleBackend {
  if (kind === 'memory') return interpose('firewall', new MemoryBackend(kernel, log));
  return new RestoreBackend(interpose('firewall', kernel), log);
}
