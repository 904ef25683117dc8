/** Whether an ipset has what a packet is, as `ipset test` answers: no set is listed, they can be long. */
import type { SetQuestion } from '../../core/explain/facts.js';
import { CommandError, runCommand } from '../process/exec.js';

const limits = { timeoutMs: 5_000 };

/** undefined: nobody can say, e.g. because the program is not installed. */
export async function isInSet(question: SetQuestion): Promise<boolean | undefined> {
  try {
    const { stdout } = await runCommand('ipset', ['list', '-terse', question.name], limits);
    const type = /^Type: (\S+)$/m.exec(stdout)?.[1];
    const entry = type === undefined ? undefined : entryOf(type, question);
    if (entry === undefined) return undefined;
    await runCommand('ipset', ['test', question.name, entry], limits);
    return true;
  } catch (error) {
    const says = error instanceof CommandError && error.failure === 'exited' ? error.stderr : '';
    return says.includes('is NOT in set') ? false : undefined;
  }
}

const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** `192.0.2.1,tcp:80` for type `hash:ip,port`; undefined if a part cannot be had from a packet. */
export function entryOf(
  type: string,
  { directions, packet }: Pick<SetQuestion, 'directions' | 'packet'>,
): string | undefined {
  const kinds = (type.split(':')[1] ?? '').split(',');
  const parts = kinds.map((kind, index) => {
    const isSource = directions[index] === 'src';
    switch (kind) {
      case 'ip':
      case 'net':
        return isSource ? packet.source : packet.destination;
      case 'port': {
        const protocol = protocolNames[packet.protocol];
        const port = isSource ? packet.sourcePort : packet.destinationPort;
        return protocol === undefined ? undefined : `${protocol}:${port}`;
      }
      case 'iface':
        return isSource ? packet.inInterface : packet.outInterface;
      case 'mark':
        return String(packet.mark);
      default:
        return undefined;
    }
  });
  return parts.includes(undefined) ? undefined : parts.join(',');
}
