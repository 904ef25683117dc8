/** `tsbridge ports`: who publishes what, and what takes it inside. */

import type { IpAddress } from '../../../../core/address.js';
import { hostAndPort } from '../../../../core/ports/port.js';
import { reportCommand } from '../../../define.js';
import { foldPorts, type PortRow } from '../../../inventory/fold.js';
import { openInventory } from '../../../inventory/open.js';
import type { Column } from '../../../output/table.js';
import type { PortItem } from '../../../schemas/inventory.js';
import { flag, optional } from '../../../table/entry.js';
import { container, network, portRange, words } from '../../../table/kinds.js';
import { containerText, isContainer, isNetwork, networkText } from '../../labels.js';

const columns: readonly Column<PortRow>[] = [
  {
    key: 'host-port',
    title: 'HOST PORT',
    about: 'address and port of the host',
    rank: 0,
    cell: ({ host, through }) =>
      hostAndPort(host.address as IpAddress, host.port) +
      (through === undefined ? '' : `-${through.host}`),
    order: ({ host }) => host.port,
  },
  {
    key: 'proto',
    title: 'PROTO',
    about: 'tcp, udp or sctp',
    rank: 0,
    cell: (item) => item.protocol,
  },
  { key: 'container', title: 'CONTAINER', about: 'its name or id', rank: 0, cell: containerText },
  {
    key: 'to',
    title: 'TO',
    about: 'port of the container',
    rank: 0,
    cell: ({ to, through }) => `:${to.port}${through === undefined ? '' : `-${through.to}`}`,
    order: ({ to }) => to.port,
  },
  { key: 'network', title: 'NETWORK', about: 'its name or id', rank: 3, cell: networkText },
  {
    key: 'path',
    title: 'PATH',
    about: 'dnat: by rules; proxy: by the proxy process; none: nobody carries it',
    rank: 4,
    cell: ({ path }) => path,
  },
  {
    key: 'by',
    title: 'BY',
    about: 'who published it: docker, or an operator (tsbridge publish)',
    rank: 5,
    cell: ({ publishedBy }) => publishedBy,
  },
  {
    key: 'since',
    title: 'SINCE',
    about: 'when it was asked for; –: an earlier version recorded none',
    rank: 8,
    wide: true,
    cell: ({ publishedSince }) => publishedSince ?? '–',
  },
  {
    key: 'listens',
    title: 'LISTENS',
    about: 'what takes it inside of the container',
    rank: 1,
    cell: ({ listening }) => listensText(listening),
  },
  {
    key: 'reach',
    title: 'REACHABLE FROM',
    about: 'with --reach: from where, as far as this host decides',
    rank: 0,
    ifFilled: true,
    cell: ({ reach }) => reachText(reach),
  },
  {
    key: 'from',
    title: 'FROM',
    about:
      'with tsbridge.publish_from: who may reach it, beside the host itself; left out while all ports are for everybody',
    rank: 2,
    ifFilled: true,
    cell: ({ publishFrom }) => publishFrom?.join(', ') ?? '',
  },
  {
    key: 'address',
    title: 'ADDRESS',
    about: 'address of the container',
    rank: 6,
    wide: true,
    cell: ({ to }) => to.address,
  },
  {
    key: 'bridge',
    title: 'BRIDGE',
    about: "the network's interface on the host",
    rank: 7,
    wide: true,
    cell: ({ network }) => network.bridge,
  },
];

const fromWords = { elsewhere: 'elsewhere', lan: 'lan', host: 'host', otherNetworks: 'networks' };

/**
 * From where the port is reached: `elsewhere, host?`. A question mark: that depends. Places from which it is not
 * reached, or of which nothing is known, are left out.
 */
export function reachText(reach: PortItem['reach']): string {
  if (reach === null) return '';
  const places = Object.entries(fromWords).flatMap(([from, word]) => {
    const answer = reach[from as keyof typeof fromWords];
    if (answer === 'depends') return [`${word}?`];
    return answer === 'rules' || answer === 'proxy' ? [word] : [];
  });
  return places.length === 0 ? 'nowhere' : places.join(', ');
}

export function listensText({ state, on, program }: PortItem['listening']): string {
  const who = program === null ? '' : ` (${program.name})`;
  const where = [...new Set(on.map(({ address }) => address))].join(', ');
  switch (state) {
    case 'yes':
      return `yes${who}`;
    case 'loopback':
    case 'other-address':
      return `NO: only ${where}${who}`;
    case 'no':
      return 'NO: nobody';
    default:
      return 'unknown';
  }
}

export const portsCommand = reportCommand({
  name: 'ports',
  summary: 'who publishes what, by which way it goes in, and what listens there',
  about: [
    'Published ports of all networks of tsbridge, which docker ps does not show for a network of a plugin. LISTENS ' +
      'is what the container itself has open: a program on 127.0.0.1 inside of the container is reached by nobody, ' +
      'and has to listen on 0.0.0.0. Works without dockerd, and without the daemon from its records.',
    'With --reach, a packet from elsewhere, from a neighbour (lan), from this host and from a container of another network is ' +
      "followed in thought to each port, by everybody's rules: REACHABLE FROM is this host's opinion, and knows nothing of " +
      'firewalls before it. A question mark: it depends; tsbridge explain tells on what, and --json has the reasons.',
  ],
  words: {},
  flags: {
    port: optional(portRange, 'only these host ports'),
    container: optional(container, 'only those of this container'),
    network: optional(network, 'only those of this network'),
    source: optional(words(['docker', 'operator']), 'only those that it has published'),
    'no-listen': flag('do not look into containers'),
    reach: flag('also from where each port is reached; takes time with each port'),
  },
  names: true,
  watch: true,
  examples: [
    { line: 'tsbridge ports', does: 'all of them' },
    { line: 'tsbridge ports --reach', does: 'and from where each of them is reached' },
    { line: 'tsbridge ports --port 8080', does: 'who has port 8080; exit status 3 if nobody has' },
    {
      line: 'tsbridge ports --filter listening.state!=yes',
      does: 'ports on which nobody answers',
    },
  ],
  exits: {
    ok: 'found; without a choice of ports: also if there are none',
    failed: 'neither the daemon nor its records could be read',
    usage: 'wrong command line',
    differs: 'no port is as asked for',
  },
  schema: 'ports',
  async ask(call) {
    const { flags } = call;
    const { view, head } = await openInventory(call, {
      inside: !flags['no-listen'],
      counters: false,
    });
    const range = flags.port;
    const endpoints = view
      .endpoints()
      .filter(
        ({ id, network: networkId }) =>
          (flags.container === undefined || isContainer(view, id, flags.container)) &&
          (flags.network === undefined || isNetwork(view, networkId, flags.network)),
      );
    // The ports are chosen first, so that only containers of these are looked into.
    const items = view.ports(
      endpoints,
      ({ hostPort, by }) =>
        (range === undefined || (hostPort >= range.first && hostPort <= range.last)) &&
        (flags.source === undefined || by === flags.source),
    );
    if (!flags.reach) return { ...head, items };
    const { withReach } = await import('../../../inventory/reach.js');
    const reached = await withReach(items, view);
    return { ...head, items: reached.items, warnings: [...head.warnings, ...reached.warnings] };
  },
  show: columns,
  fold: foldPorts,
  exit: ({ items }, { flags }) => {
    const chosen = [flags.port, flags.container, flags.network, flags.source];
    const asked = chosen.some((each) => each !== undefined);
    return items.length === 0 && asked ? 'differs' : 'ok';
  },
});
