/** The words of `tsbridge publish`: `[IP:]HOSTPORT[-END]:PORT[-END][/PROTOCOL]`, as `docker run -p` has them. */
import { addressBeforePort, type Brand, type IpAddress, parseHostIp } from '../address.js';
import { hostAndPort, type Port, type PortRequest, parsePort, protocols } from '../ports/port.js';
import { show } from '../problems.js';

/** A parsed word, written in one way only: equal words ask for the same. */
export type PortWord = Brand<string, 'PortWord'>;

export interface WordedPorts {
  readonly word: PortWord;
  /** In the order of the container's ports. */
  readonly requests: readonly PortRequest[];
}

const shape = /^(?:(.*):)?(\d{1,5})(?:-(\d{1,5}))?:(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/;

interface Range {
  readonly first: Port;
  readonly last: Port;
}

/**
 * A range on both sides is one request for each pair of ports; a range on the host's side alone is one request,
 * for any port of it. Answers with what is wrong with the word, in place of its ports.
 */
export function parsePortWord(text: string): WordedPorts | string {
  const [, address, hostFirst, hostLast, first, last, name = 'tcp'] = shape.exec(text) ?? [];
  if (hostFirst === undefined || first === undefined) {
    return `${show(text)} is not [IP:]HOSTPORT[-END]:PORT[-END][/PROTOCOL]`;
  }
  const protocol = protocols.find((each) => each === name);
  if (protocol === undefined) return `${show(text)}: ${name} is none of ${protocols.join(', ')}`;
  const host = range(hostFirst, hostLast);
  const container = range(first, last);
  if (host === undefined || container === undefined) {
    return `${show(text)}: ports are 1 to 65535, and a range begins with its lower end`;
  }
  const hostIp = address === undefined ? undefined : readAddress(address);
  if (address !== undefined && hostIp === undefined) {
    return `${show(text)}: ${show(address)} is not an IP address (an IPv6 address stands in brackets)`;
  }
  const size = container.last - container.first;
  if (size > 0 && size !== host.last - host.first) {
    return `${show(text)}: the two ranges have different lengths`;
  }
  const requests = Array.from({ length: size + 1 }, (_, step) => ({
    ...{ protocol, hostIp, containerPort: (container.first + step) as Port },
    hostPorts: size === 0 ? host : single((host.first + step) as Port),
  }));
  return { word: wordOf(hostIp, host, container, protocol), requests };
}

function wordOf(hostIp: IpAddress | undefined, host: Range, container: Range, protocol: string) {
  const text = `${hostIp === undefined ? '' : `${addressText(hostIp)}:`}${rangeText(host)}`;
  return `${text}:${rangeText(container)}/${protocol}` as PortWord;
}

const addressText = (ip: IpAddress): string => hostAndPort(ip, 0).slice(0, -2);
const rangeText = ({ first, last }: Range): string =>
  first === last ? `${first}` : `${first}-${last}`;
const single = (port: Port): Range => ({ first: port, last: port });

function range(firstText: string, lastText = firstText): Range | undefined {
  const [first, last] = [parsePort(Number(firstText)), parsePort(Number(lastText))];
  if (first === undefined || last === undefined || last < first) return undefined;
  return { first, last };
}

function readAddress(text: string): IpAddress | undefined {
  return parseHostIp(addressBeforePort(text) ?? '');
}
