/** `tsbridge top`: bytes and packets a second of each container's interface. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkCounters } from '../../../../codec/netlink/link-counters.js';
import { reportCommand } from '../../../define.js';
import { openInventory } from '../../../inventory/open.js';
import { compare } from '../../../inventory/view.js';
import type { Column } from '../../../output/table.js';
import type { TopItem } from '../../../schemas/inventory.js';
import { optional } from '../../../table/entry.js';
import { duration } from '../../../table/kinds.js';
import { bytesText, containerText, networkText } from '../../labels.js';

const rate = (key: 'received' | 'sent', unit: 'bytesPerSecond' | 'packetsPerSecond') => ({
  align: 'right' as const,
  order: (item: TopItem) => item[key][unit],
});

const columns: readonly Column<TopItem>[] = [
  { key: 'container', title: 'CONTAINER', about: 'its name or id', rank: 0, cell: containerText },
  { key: 'network', title: 'NETWORK', about: 'its name or id', rank: 2, cell: networkText },
  { key: 'veth', title: 'VETH', about: 'interface on the host', rank: 1, cell: ({ veth }) => veth },
  {
    key: 'rx',
    title: 'RX/s',
    about: 'bytes that the container receives in a second',
    rank: 0,
    cell: ({ received }) => bytesText(received.bytesPerSecond),
    ...rate('received', 'bytesPerSecond'),
  },
  {
    key: 'tx',
    title: 'TX/s',
    about: 'bytes that it sends in a second',
    rank: 0,
    cell: ({ sent }) => bytesText(sent.bytesPerSecond),
    ...rate('sent', 'bytesPerSecond'),
  },
  {
    key: 'rx-packets',
    title: 'RX PACKETS/s',
    about: 'packets that it receives in a second',
    rank: 3,
    cell: ({ received }) => received.packetsPerSecond.toFixed(0),
    ...rate('received', 'packetsPerSecond'),
  },
  {
    key: 'tx-packets',
    title: 'TX PACKETS/s',
    about: 'packets that it sends in a second',
    rank: 3,
    cell: ({ sent }) => sent.packetsPerSecond.toFixed(0),
    ...rate('sent', 'packetsPerSecond'),
  },
];

export const topCommand = reportCommand({
  name: 'top',
  summary: 'which container sends and receives how much at the moment',
  about: [
    'Reads the counters of all interfaces twice, and shows what passed in between, the busiest first. With --watch it ' +
      'goes on.',
  ],
  words: {},
  flags: { for: optional(duration(0.1, 60), 'how long the counters are watched (1)') },
  names: true,
  watch: true,
  examples: [{ line: 'tsbridge top --watch', does: 'until Ctrl-C' }],
  exits: {
    ok: 'shown',
    failed: 'neither the daemon nor its records, or no counters, could be read',
    usage: 'wrong command line',
  },
  schema: 'top',
  async ask(call) {
    const { readLinkCounters } = await import('../../../../host/look/link-counters.js');
    const before = await readLinkCounters();
    const began = performance.now();
    await sleep(call.flags.for ?? 1_000);
    const after = await readLinkCounters();
    const seconds = (performance.now() - began) / 1_000;
    const { view, head } = await openInventory(call, { inside: false, counters: false });
    const items = view.endpoints().flatMap((endpoint): TopItem[] => {
      const [first, last] = [before.get(endpoint.veth), after.get(endpoint.veth)];
      if (first === undefined || last === undefined) return [];
      const { endpoint: id, container, network, veth } = view.endpointItem(endpoint);
      return [{ endpoint: id, container, network, veth, ...ratesOf(first, last, seconds) }];
    });
    const total = ({ received, sent }: TopItem) => received.bytesPerSecond + sent.bytesPerSecond;
    items.sort((a, b) => total(b) - total(a) || compare(a.veth, b.veth));
    return { ...head, items, more: { seconds } };
  },
  show: columns,
  exit: () => 'ok',
});

/**
 * Rates as the container sees them: it receives what the host's end sends. If a link was made anew in between, its
 * counters began at 0.
 */
function ratesOf(first: LinkCounters, last: LinkCounters, seconds: number) {
  const perSecond = (key: keyof LinkCounters) =>
    Math.max(0, Number(last[key]) - Number(first[key])) / seconds;
  return {
    received: {
      bytesPerSecond: perSecond('sentBytes'),
      packetsPerSecond: perSecond('sentPackets'),
    },
    sent: {
      bytesPerSecond: perSecond('receivedBytes'),
      packetsPerSecond: perSecond('receivedPackets'),
    },
  };
}
