/** A connection's expected and found result, in words. */
import type { ConnectionItem } from '../schemas/connectivity.js';

export function expectedText({ expected }: Pick<ConnectionItem, 'expected'>): string {
  const { answer, seen, because } = expected;
  if (!answer) return `no (${because})`;
  return seen === null ? `yes (${because})` : `yes, from ${seen} (${because})`;
}

export function foundText({ found }: Pick<ConnectionItem, 'found'>): string {
  const { answer, seen, why, ms } = found;
  if (!answer) return `no: ${reasons[why ?? ''] ?? why}`;
  const time = ms === null ? '' : ` in ${ms} ms`;
  return seen === null || seen === '' ? `yes${time}` : `yes, from ${seen}${time}`;
}

const reasons: Readonly<Record<string, string>> = {
  silent: 'no answer',
  closed: 'the connection was closed without a word',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route',
  EACCES: 'administratively prohibited',
  EPERM: 'a rule forbids to send it',
  EMSGSIZE: 'the packet is too large for the way',
  ERR_SOCKET_BAD_PORT: 'there is no published port',
};
