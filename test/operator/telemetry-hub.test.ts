/** Who hears what happens in the daemon. */
import t from 'tap';
import { TelemetryHub } from '../../src/daemon/telemetry.js';

t.test('who comes late is told of what was before', async (t) => {
  const hub = new TelemetryHub();
  const told: string[][] = [[], []];
  hub.tell({ kind: 'record-written', ok: true });
  hub.add({ tell: ({ kind }) => void told[0]?.push(kind) });
  hub.tell({ kind: 'repair-failed', what: 'rules' });
  hub.add({ tell: ({ kind }) => void told[1]?.push(kind) });
  hub.complete();
  hub.tell({ kind: 'wait', for: 'network', durationMs: 1 });
  const all = ['record-written', 'repair-failed', 'wait'];
  t.strictSame(told, [all, all]);
});
