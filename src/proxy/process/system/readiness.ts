/** Tells systemd that the unit in which this process runs is ready: sd_notify(3). */
import { fileFlag } from '../../../linux.js';
import { failureOf, type SystemCalls } from './system-calls.js';
import { unixAddress, unixFamily } from './unix-address.js';

/** SOCK_DGRAM */
const socketType = 2 | fileFlag.closeOnExec;

/**
 * Nothing without NOTIFY_SOCKET. Waits while systemd's queue is full: nothing else is to be done before that.
 *
 * @throws Error if systemd does not listen there
 */
export function tellReady(
  system: SystemCalls,
  env: Readonly<Record<string, string | undefined>> = process.env,
): void {
  const { NOTIFY_SOCKET: path } = env;
  if (path === undefined || path === '') return;
  const fd = system.socket(unixFamily, socketType, 0);
  if (fd < 0) throw new Error(`socket: ${failureOf(system, 'socket').code}`);
  try {
    const address = unixAddress(path);
    const word = Buffer.from('READY=1');
    if (system.connect(fd, address, address.length) !== 0) {
      throw new Error(`${path}: ${failureOf(system, 'connect').code}`);
    }
    if (system.write(fd, word, word.length) !== word.length) {
      throw new Error(`${path}: ${failureOf(system, 'write').code}`);
    }
  } finally {
    system.close(fd);
  }
}
