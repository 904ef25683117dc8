/**
 * A process that traces by a table which nobody owns, as on kernels before 5.12, until it is killed. It writes `ready`, then
 * a dot for each report of the kernel.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TraceTable } from '../../src/host/trace/trace-table.js';
import { slowness } from './slowness.js';

const reader = { read: () => process.stdout.write('.'), gap: () => undefined };
const table = await TraceTable.open(
  {
    ...{ filter: [[]], replies: false, everyPacket: false, packetsPerSecond: 1_000 },
    tracedHooks: 'every-hook',
  },
  () => reader,
  { aliveMs: 1_500 * slowness },
);
process.stdout.write('ready\n');
for (;;) {
  await sleep(100);
  await table.renew();
}
