/** What systemd gives a service and wants to hear from it: sd_listen_fds(3), sd_notify(3). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Libc } from './libc.js';

/** The first descriptor that systemd passes. */
const firstFd = 3;

type Environment = Record<string, string | undefined>;

/**
 * The listening socket that systemd opened for this process (socket activation), or undefined if
 * the daemon was started in another way. The variables that say so are deleted, so that no child
 * takes it for its own; Node has marked the descriptor to be closed on exec when it started.
 *
 * @throws {Error} if there is more than one socket, since it is not known which is the plugin's
 */
export function inheritedSocket(
  env: Environment = process.env,
  pid = process.pid,
): number | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (LISTEN_PID !== String(pid)) return undefined;
  const count = Number(LISTEN_FDS);
  if (!Number.isInteger(count) || count < 1) return undefined;
  if (count > 1) {
    throw new Error(
      `taking the socket from systemd: it passed ${count} of them, and tsbridge serves one; ` +
        'leave one ListenStream= in tsbridge.socket',
    );
  }
  return firstFd;
}

/**
 * How often systemd wants to hear from this process (`WatchdogSec=` of the unit), in milliseconds: a third of
 * the time after which it would end it. undefined: it does not.
 */
export function watchdogPeriod(
  env: Environment = process.env,
  pid = process.pid,
): number | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return undefined;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  const microseconds = Number(WATCHDOG_USEC);
  return microseconds > 0 ? microseconds / 3_000 : undefined;
}

/** Nothing if systemd's queue is full: the next word comes soon. @throws {SystemCallError} */
export function notifyWatchdog(libc: Libc, env: Environment = process.env): void {
  const { NOTIFY_SOCKET } = env;
  if (NOTIFY_SOCKET !== undefined && NOTIFY_SOCKET !== '') {
    libc.trySendDatagram(NOTIFY_SOCKET, 'WATCHDOG=1');
  }
}

/** systemd's queue is full when all of a host's services start at once. */
const notifyPauseMs = 50;
const notifyAttempts = 600;

/**
 * Tells systemd that calls are served; nothing without NOTIFY_SOCKET. The word is sent by this
 * process itself (Node has no datagram sockets of the unix family): systemd looks up to which unit
 * the sender belongs, and the word of a helper that has ended by then is dropped, after which the
 * start of the unit times out.
 *
 * @throws {SystemCallError} if no process listens there
 * @throws {Error} if systemd takes nothing for 30 s
 */
export async function notifyReady(libc: Libc, env: Environment = process.env): Promise<void> {
  const { NOTIFY_SOCKET } = env;
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return;
  for (let attempt = 1; attempt <= notifyAttempts; attempt += 1) {
    if (libc.trySendDatagram(NOTIFY_SOCKET, 'READY=1')) return;
    await sleep(notifyPauseMs);
  }
  throw new Error(`telling systemd that calls are served: ${NOTIFY_SOCKET} takes nothing`);
}
