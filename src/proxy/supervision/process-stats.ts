/** What a proxy process says of itself now, or that it does not answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { awaitedLater } from '../../background.js';
import type { About, Reply } from '../control.js';
import type { Running } from './running-process.js';

export interface ProxyStatus extends About {
  readonly listeners: number;
  readonly connections: number;
  /** Absent in the answer of a process of an earlier version. */
  readonly traffic?: Reply['traffic'];
}

/** How long `tsbridge status` waits for the answer of a process that may hang. */
export const statusMs = 2_000;

/** @throws {Error} if it does not answer in time */
export async function askStats(connecting: Promise<Running>, waitMs: number): Promise<ProxyStatus> {
  const patience = (): Promise<undefined> => sleep(waitMs, undefined, { ref: false });
  // If it rejects after the race below is over, nobody handles that any more.
  awaitedLater(connecting);
  const known = await Promise.race([connecting, patience()]);
  if (known === undefined) {
    throw new Error('the process that holds published ports does not answer');
  }
  const { pid } = known.about;
  const answer = known.connection.ask({ op: 'stats' });
  awaitedLater(answer);
  const reply = await Promise.race([answer, patience()]);
  if (reply === undefined) {
    throw new Error(`the process that holds published ports (${pid}) does not answer`);
  }
  const { listeners = 0, connections = 0, traffic } = reply;
  return { ...known.about, listeners, connections, ...(traffic === undefined ? {} : { traffic }) };
}
