/** `tsbridge ps`: endpoints, a line for each container's connection to a network. */
import { limitsText } from '../../../../core/network/limits.js';
import { reportCommand } from '../../../define.js';
import { openInventory } from '../../../inventory/open.js';
import type { Column } from '../../../output/table.js';
import type { EndpointItem } from '../../../schemas/inventory.js';
import { optional } from '../../../table/entry.js';
import { container, network } from '../../../table/kinds.js';
import { bytesText, containerText, isContainer, isNetwork, networkText } from '../../labels.js';

const columns: readonly Column<EndpointItem>[] = [
  { key: 'container', title: 'CONTAINER', about: 'its name or id', rank: 0, cell: containerText },
  { key: 'network', title: 'NETWORK', about: 'its name or id', rank: 0, cell: networkText },
  {
    key: 'address',
    title: 'ADDRESS',
    about: 'addresses of the container there',
    rank: 0,
    cell: ({ addresses }) => addresses.map((each) => each.split('/')[0]).join(' '),
  },
  { key: 'mac', title: 'MAC', about: 'hardware address', rank: 4, cell: ({ mac }) => mac },
  { key: 'veth', title: 'VETH', about: 'interface on the host', rank: 0, cell: ({ veth }) => veth },
  {
    key: 'inside',
    title: 'INSIDE',
    about: 'the same in the container',
    rank: 3,
    cell: ({ inside }) => inside ?? '-',
  },
  {
    key: 'mtu',
    title: 'MTU',
    about: 'largest packet, in bytes',
    rank: 6,
    align: 'right',
    cell: ({ mtu }) => String(mtu ?? '-'),
    order: ({ mtu }) => mtu ?? 0,
  },
  {
    key: 'rx',
    title: 'RX',
    about: 'received by the container',
    rank: 2,
    align: 'right',
    cell: ({ received }) => (received === null ? '-' : bytesText(received.bytes)),
    order: ({ received }) => received?.bytes ?? 0,
  },
  {
    key: 'tx',
    title: 'TX',
    about: 'sent by it',
    rank: 2,
    align: 'right',
    cell: ({ sent }) => (sent === null ? '-' : bytesText(sent.bytes)),
    order: ({ sent }) => sent?.bytes ?? 0,
  },
  {
    key: 'limits',
    title: 'LIMITS',
    about:
      'most that it receives and sends, in bits per second; left out while no endpoint has limits',
    rank: 3,
    ifFilled: true,
    cell: ({ limits }) => limitsText(limits),
  },
  {
    key: 'routes',
    title: 'ROUTES',
    about: 'inside of the container, as options ask for them; left out while no endpoint has any',
    rank: 7,
    ifFilled: true,
    cell: ({ routes }) => routes.inside.join(', '),
  },
  {
    key: 'answered',
    title: 'ANSWERED ON',
    about:
      'interface on which the host answers neighbours for it (attach=proxy, ndp_proxy); left out while it does for none',
    rank: 7,
    ifFilled: true,
    cell: ({ answeredOn }) => answeredOn ?? '',
  },
  {
    key: 'ports',
    title: 'PORTS',
    about: 'how many are published there',
    rank: 1,
    align: 'right',
    cell: ({ ports }) => String(ports),
    order: ({ ports }) => ports,
  },
  {
    key: 'state',
    title: 'STATE',
    about: 'ready: joined by a container; created: not yet',
    rank: 5,
    cell: ({ state }) => state,
  },
];

export const psCommand = reportCommand({
  name: 'ps',
  summary: 'endpoints: which container has which address, interface and traffic',
  about: [
    "A line for each container's connection to a network of tsbridge: its addresses, the interface on the host and " +
      'the one in the container, and what has passed them. RX and TX are as the container sees them.',
  ],
  words: {},
  flags: {
    container: optional(container, 'only those of this container'),
    network: optional(network, 'only those of this network'),
  },
  names: true,
  watch: true,
  examples: [
    { line: 'tsbridge ps --sort=-rx', does: 'who has received most' },
    { line: 'tsbridge ps --columns veth,container --no-header', does: 'for scripts' },
  ],
  exits: {
    ok: 'found; without a choice: also if there are none',
    failed: 'neither the daemon nor its records could be read',
    usage: 'wrong command line',
    differs: 'no endpoint is as asked for',
  },
  schema: 'ps',
  async ask(call) {
    const { flags } = call;
    const { view, head } = await openInventory(call, { inside: true, counters: true });
    const chosen = view
      .endpoints()
      .filter(
        ({ id, network: networkId }) =>
          (flags.container === undefined || isContainer(view, id, flags.container)) &&
          (flags.network === undefined || isNetwork(view, networkId, flags.network)),
      );
    return { ...head, items: chosen.map((endpoint) => view.endpointItem(endpoint)) };
  },
  show: columns,
  exit: ({ items }, { flags }) =>
    items.length === 0 && (flags.container ?? flags.network) !== undefined ? 'differs' : 'ok',
});
