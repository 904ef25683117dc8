/**
 * Requests in which the kernel waits for a grace period (15–40 ms), such as the deletion of a link or its move into
 * another namespace: sent on one of libuv's threads, so that the event loop goes on.
 */
import {
  controlType,
  errnoOf,
  flag,
  formatRequest,
  messagesIn,
  type NetlinkRequest,
} from '../../../codec/netlink/netlink-message.js';
import { closeNetlink, openNetlink, receiveNetlinkNow, sendNetlink } from './netlink-calls.js';
import { NetlinkError } from './netlink-error.js';
import { mostRequests } from './request-batch.js';

/**
 * Sends the requests, which the kernel does one after the other; other programs' requests have their turn in between.
 *
 * @returns why a request has failed, at its index; undefined if it has not
 * @throws {NetlinkError} if the kernel cannot be asked
 */
export async function sendWaiting(
  protocol: number,
  requests: readonly NetlinkRequest[],
): Promise<(NetlinkError | undefined)[]> {
  const failures: (NetlinkError | undefined)[] = [];
  const fd = openNetlink(protocol);
  try {
    for (let start = 0; start < requests.length; start += mostRequests) {
      failures.push(...(await sendPart(fd, requests.slice(start, start + mostRequests))));
    }
    return failures;
  } finally {
    closeNetlink(fd);
  }
}

const answerBytes = 4096;

async function sendPart(
  fd: number,
  requests: readonly NetlinkRequest[],
): Promise<(NetlinkError | undefined)[]> {
  const messages = requests.map((request, index) =>
    formatRequest({ ...request, flags: request.flags | flag.ack }, index),
  );
  await sendNetlink(fd, Buffer.concat(messages));
  const failures: (NetlinkError | undefined)[] = requests.map(() => undefined);
  const answer = Buffer.allocUnsafe(answerBytes);
  // When the call returns, the kernel has answered each of them.
  for (let left = requests.length; left > 0; ) {
    const length = receiveNetlinkNow(fd, answer);
    if (length === undefined)
      throw new NetlinkError('EPROTO', 'the kernel did not answer (EPROTO)');
    for (const { type, sequence, start, end } of messagesIn(answer.subarray(0, length))) {
      if (type !== controlType.error) continue;
      left -= 1;
      const errno = errnoOf(answer.subarray(start, end));
      if (errno !== 0) failures[sequence] = NetlinkError.fromErrno(errno);
    }
  }
  return failures;
}
