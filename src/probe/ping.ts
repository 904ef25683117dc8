/** Echo requests (ICMP), without the privileges of a raw socket: see icmp(7), ping_group_range. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Question } from './protocol.js';
import { loadProbeSystem, ProbeError } from './system.js';

const pollMs = 5;
const againMs = 250;
const echoRequest = { 4: 8, 6: 128 } as const;
const echoReply = { 4: 0, 6: 129 } as const;

/** @returns true if there was an answer, else why not */
export async function ping({ family, address, timeoutMs }: Question): Promise<true | string> {
  const end = performance.now() + timeoutMs;
  let socket: ReturnType<ReturnType<typeof loadProbeSystem>['openPing']> | undefined;
  try {
    socket = loadProbeSystem().openPing(family);
    let next = 0;
    while (performance.now() < end) {
      if (performance.now() >= next) {
        socket.send(
          address,
          Uint8Array.of(echoRequest[family], 0, 0, 0, 0, 0, 0, 1, ...Buffer.from('tsbridge')),
        );
        next = performance.now() + againMs;
      }
      const message = socket.receive();
      if (message !== undefined && message[0] === echoReply[family]) return true;
      await sleep(pollMs);
    }
    return 'silent';
  } catch (error) {
    return error instanceof ProbeError ? error.code : 'failed';
  } finally {
    socket?.close();
  }
}
