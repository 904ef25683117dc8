/** Tracked connections of a host in memory, of which those that are refused can be ended. */
import type {
  RefusedFlows,
  TrackedFlow,
} from '../../src/core/generations/own-options/refused-flows.js';
import type { RefusedConnections } from '../../src/driver/host/refused-connections.js';
import type { Faults } from './faults.js';

export class FakeRefusedConnections implements RefusedConnections {
  flows: readonly TrackedFlow[] = [];
  readonly ended: TrackedFlow[] = [];
  constructor(private readonly faults: Faults) {}
  async end(refused: RefusedFlows): Promise<number> {
    this.faults.check('refused.end');
    const gone = this.flows.filter((flow) => refused.judge(flow, () => false) === 'refused');
    this.ended.push(...gone);
    return gone.length;
  }
}
