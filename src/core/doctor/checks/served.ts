/** Checks of whether packets to published ports, once the rules have let them pass, reach the right program. */
import { familyOf, isUnspecified } from '../../address.js';
import { check, type Found, shell } from '../check.js';
import type { DeafPort, FactParts, KnownPort, Link } from '../facts.js';
import { defaultDevices } from '../places.js';
import { portText } from './ports.js';

/** Whether packets to the address `destination` of this host are for the published port. */
function isFor(port: KnownPort, destination: string, links: readonly Link[]): boolean {
  if (!isUnspecified(port.hostIp)) return port.hostIp === destination;
  return links.some(({ addresses }) => addresses.some(({ address }) => address === destination));
}

/**
 * UDP flows that connection tracking sends to another address than the container’s: one finding for each published port
 * and each such address.
 */
function staleFlows({
  records,
  links,
  udpFlows,
}: Pick<FactParts, 'records' | 'links' | 'udpFlows'>) {
  const published = records.ports.filter(({ protocol }) => protocol === 'udp');
  const found = new Map<string, { port: KnownPort; to: string; sources: string[] }>();
  for (const { source, destination, port: number, to } of udpFlows) {
    const own = published.filter(
      (port) => port.hostPort === number && isFor(port, destination, links),
    );
    const [port] = own;
    if (port === undefined || own.some(({ containerIp }) => containerIp === to)) continue;
    const key = `${portText(port)} ${to}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, { port, to, sources: [source] });
    else known.sources.push(source);
  }
  return [...found.values()].map(({ port, to, sources }): Found => {
    const more = sources.length === 1 ? '' : `, and ${sources.length - 1} more`;
    const family = familyOf(port.containerIp) === 6 ? 'ipv6' : 'ipv4';
    return {
      object: portText(port),
      evidence: `packets of ${sources[0]}${more} to ${portText(port)} go to ${to}; ${port.container} is ${port.containerIp}`,
      command: shell`conntrack -D -f ${family} -p udp --orig-port-dst ${port.hostPort} --reply-src ${to}`,
    };
  });
}

/** Ports of containers without IPv6 that other hosts reach by IPv6, by the name of the network. */
function hidden({ records, links, routes }: Pick<FactParts, 'records' | 'links' | 'routes'>) {
  const uplinks = defaultDevices(routes, 6, 'main');
  const reached = links.some(
    ({ name, addresses }) =>
      uplinks.includes(name) &&
      addresses.some(({ address, family }) => family === 6 && !address.startsWith('fe80:')),
  );
  const ports = new Map<string, KnownPort[]>();
  for (const port of reached ? records.ports : []) {
    const isOpen = familyOf(port.hostIp) === 6 && port.hostIp !== '::1';
    if (!isOpen || familyOf(port.containerIp) === 6 || port.protocol === 'sctp') continue;
    ports.set(port.network, [...(ports.get(port.network) ?? []), port]);
  }
  return ports;
}

/** What happens to a client of a port at which no program of the container takes packets. */
const refused =
  'Whoever connects is refused, or reaches tsbridge’s proxy process, which closes the connection again.';

function unheard({ port }: DeafPort, where: string): Found {
  return {
    object: portText(port),
    evidence: `${where} at port ${port.containerPort}/${port.protocol} of ${port.container}; packets come to ${port.containerIp}`,
    command: shell`tsbridge ports --port ${port.hostPort}`,
  };
}

export const servedChecks = [
  check({
    code: 'listens-elsewhere',
    severity: 'warning',
    detects:
      'A port is published, and the programs in its container that listen on it do so only at addresses to which the port’s packets do not come, such as 127.0.0.1.',
    means: refused,
    remedy:
      'The command shows what listens there. The program has to be told to listen on all addresses (0.0.0.0), by its own settings.',
    settles: true,
    needs: ['deaf'],
    find: ({ deaf }) =>
      deaf.flatMap((each) =>
        each.on.length === 0 ? [] : unheard(each, `programs listen on ${each.on.join(', ')}`),
      ),
  }),
  check({
    code: 'nobody-listens',
    severity: 'notice',
    detects: 'A port is published, and no program in its container listens on it.',
    means: refused,
    remedy:
      'The command shows the port. The program may still be starting, or listens only now and then; a port that is never served need not be published.',
    settles: true,
    needs: ['deaf'],
    find: ({ deaf }) =>
      deaf.flatMap((each) => (each.on.length === 0 ? unheard(each, 'nothing listens') : [])),
  }),
  check({
    code: 'stale-udp-flow',
    severity: 'warning',
    detects:
      'Connection tracking has a flow to a published UDP port which it sends to another address than the container’s.',
    means:
      'What the client sends goes to a container that is gone, or is another one now, for as long as the client goes on sending.',
    remedy:
      'The command makes the kernel forget these flows: the next packet goes to the container. tsbridge does so itself when ports are published and released; another program has made or kept the flow.',
    settles: true,
    needs: ['records', 'links', 'udpFlows'],
    find: staleFlows,
  }),
  check({
    code: 'proxy-hides-clients',
    severity: 'notice',
    detects:
      'A port is published on an IPv6 address that others reach, and its network has no IPv6.',
    means:
      'tsbridge’s proxy process carries IPv6 connections over to IPv4: the container sees the gateway of its network as the client.',
    remedy:
      'Make the network anew with IPv6 (the command is the first step), or publish on an IPv4 address only (-p 0.0.0.0:PORT:PORT).',
    needs: ['records', 'links', 'routes'],
    find: (facts) =>
      [...hidden(facts)].map(([network, ports]) => ({
        object: network,
        evidence: ports
          .map((port) => `${portText(port)} of ${port.container}`)
          .slice(0, 5)
          .join(', '),
        command: shell`docker network create -d tsbridge --ipv6 ${`${network}-6`}`,
      })),
  }),
];
