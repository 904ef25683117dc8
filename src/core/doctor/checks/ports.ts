/** Checks of published ports: whether their sockets are held, and by tsbridge's own process. */
import { isUnspecified } from '../../address.js';
import { check, shell, wholeHost } from '../check.js';
import type { HostSocket, KnownPort } from '../facts.js';

/** The title of the process that holds published ports. */
export const proxyTitle = 'tsbridge-proxy';

function holders(sockets: readonly HostSocket[], port: KnownPort): HostSocket[] {
  return sockets.filter(
    ({ protocol, address, port: number }) =>
      protocol === port.protocol &&
      number === port.hostPort &&
      (address === port.hostIp || isUnspecified(address) || isUnspecified(port.hostIp)),
  );
}

export const portText = ({ hostIp, hostPort, protocol }: KnownPort): string =>
  `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:${hostPort}/${protocol}`;

export const portChecks = [
  check({
    code: 'proxy-dead',
    severity: 'error',
    detects: 'There are published ports, and no process tsbridge-proxy holds any socket.',
    means:
      'Ports that rules do not carry do not answer: 127.0.0.1, IPv6 to a network without it; and others can take the ports.',
    remedy:
      'The daemon starts it anew within seconds; with the command, at once. `tsbridge logs` says why it ended.',
    hides: ['port-not-held', 'drift', 'degraded'],
    settles: true,
    needs: ['records', 'sockets'],
    find: ({ records: { ports }, sockets }) =>
      ports.length > 0 && !sockets.some(({ program }) => program?.name === proxyTitle)
        ? [
            {
              object: wholeHost,
              evidence: `${ports.length} published ports, no socket of ${proxyTitle}`,
              command: 'tsbridge reconcile',
            },
          ]
        : [],
  }),
  check({
    code: 'port-taken',
    severity: 'error',
    detects: 'A published port is held by a program that is not tsbridge.',
    means:
      'Who connects to the port reaches that program, or it: which, depends on where they come from.',
    remedy:
      'The command says which service the program belongs to. Stop it, or publish on another port.',
    hides: ['drift', 'degraded'],
    needs: ['records', 'sockets'],
    find: ({ records: { ports }, sockets }) =>
      ports.flatMap((port) => {
        const all = holders(sockets, port);
        if (all.some(({ program }) => program?.name === proxyTitle)) return [];
        const program = all.find((socket) => socket.program !== undefined)?.program;
        if (program === undefined) return [];
        const evidence = `${portText(port)} of ${port.container} is held by ${program.name} (process ${program.pid})`;
        return [
          { object: portText(port), evidence, command: shell`systemctl status ${program.pid}` },
        ];
      }),
  }),
  check({
    code: 'port-not-held',
    severity: 'error',
    detects: 'Nobody holds the socket of a published port.',
    means: 'The port does not answer on 127.0.0.1, and another program can take it.',
    remedy: 'The daemon takes it again by itself; with the command, at once.',
    hides: ['drift'],
    settles: true,
    needs: ['records', 'sockets'],
    find: ({ records: { ports }, sockets }) =>
      ports.flatMap((port) =>
        holders(sockets, port).length > 0
          ? []
          : [
              {
                object: portText(port),
                evidence: `no socket on ${portText(port)} of ${port.container}`,
                command: 'tsbridge reconcile',
              },
            ],
      ),
  }),
  check({
    code: 'port-in-local-range',
    severity: 'notice',
    detects:
      'A published port is in the range from which the kernel takes ports for the host’s own connections.',
    means:
      'While the container does not run, a connection of the host’s own can take the port; it does not start then.',
    remedy: 'The command keeps the port free of them, until the next start of the host.',
    needs: ['records', 'settings'],
    find({ records: { ports }, settings }) {
      const [first = 0, last = 0] = (settings.get('net/ipv4/ip_local_port_range') ?? '')
        .split(/\s+/)
        .map(Number);
      const reserved = settings.get('net/ipv4/ip_local_reserved_ports') ?? '';
      const isReserved = (port: number) =>
        reserved.split(',').some((range) => {
          const [low = '', high = low] = range.split('-');
          return range !== '' && Number(low) <= port && port <= Number(high);
        });
      const found = ports.filter(
        ({ hostPort }) => first <= hostPort && hostPort <= last && !isReserved(hostPort),
      );
      const numbers = [...new Set(found.map(({ hostPort }) => hostPort))].join(',');
      if (numbers === '') return [];
      const evidence = `${numbers} within ${first} to ${last}`;
      const all = reserved === '' ? numbers : `${reserved},${numbers}`;
      return [
        {
          object: wholeHost,
          evidence,
          command: shell`sysctl -w ${`net.ipv4.ip_local_reserved_ports=${all}`}`,
        },
      ];
    },
  }),
];
