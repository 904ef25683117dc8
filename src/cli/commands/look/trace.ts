/** `tsbridge trace`: packets as they come, and by whose rule each goes on or ends. */
import { parseIp } from '../../../core/address.js';
import {
  parseTraceDestination,
  parseTracePlace,
  type TraceDestination,
  type TracePlace,
} from '../../../core/trace/ends.js';
import type { TracedPacket } from '../../../core/trace/placing.js';
import type { HostAnswers } from '../../../host/look/host-answers.js';
import { beginCall, type Call, type CallFlags } from '../../call.js';
import { command } from '../../define.js';
import { openInventory } from '../../inventory/open.js';
import type { InventoryView } from '../../inventory/view.js';
import { schemaLabel } from '../../output/envelope.js';
import { fitJson, plain } from '../../output/fit.js';
import type { SummaryItem, TraceItem } from '../../schemas/trace.js';
import { flag, optional, type Parameters } from '../../table/entry.js';
import { daemonFlags, namesFlags, outputFlags } from '../../table/flags.js';
import { container, count, duration, type Kind, network } from '../../table/kinds.js';
import { destinationForms, manyForms, pingForm, placeForms } from '../../table/places.js';
import type { ExitName } from '../../terminal.js';

const place: Kind<TracePlace> = {
  forms: [...manyForms, ...placeForms],
  accepts:
    'any, host, elsewhere, lan, an address (or ADDRESS%INTERFACE), SUBNET, NETWORK, CONTAINER or CONTAINER@NETWORK; without a port',
  placeholder: 'PLACE',
  parse: parseTracePlace,
  completes: 'container',
};
const destination: Kind<TraceDestination> = {
  forms: [['web', 'everything to this place, as for FROM'], ...destinationForms, pingForm],
  accepts:
    'PLACE, PLACE:PORT, PLACE:PORT/udp, PLACE/icmp, or :PORT of the host; an address of IPv6 in brackets',
  placeholder: 'PLACE:PORT',
  parse: parseTraceDestination,
  completes: 'container',
};

const words = {
  from: optional(place, 'where packets come from (any)'),
  to: optional(destination, 'where they go (any); to a container: also by its published ports'),
};
const ownFlags = {
  container: optional(container, 'only what comes from this container or goes to it'),
  network: optional(network, 'only what comes from this network or goes to it'),
  reply: flag('also what answers the packets'),
  'dropped-only': flag('show only what is dropped, rejected or lost'),
  'every-packet': flag('of TCP every packet, not only those that begin a connection'),
  rules: flag('every rule that a packet meets, not only those that decide'),
  count: optional(count(100_000), 'end after so many packets (10)'),
  for: optional(duration(1, 86_400), 'end after so many seconds (60)'),
  rate: optional(count(1_000), 'packets a second that are looked at, at most (20)'),
};

export const traceCommand = command({
  name: 'trace',
  summary: 'packets as they come, and by whose rule each goes on or ends',
  about: [
    "Has the kernel report what becomes of real packets, by everybody's rules of iptables-nft and nft: each rule that a packet met, " +
      'as iptables-save or nft prints it, whose it is, and the container that it is about. Rules of iptables-legacy are not reported: what one of them drops is ' +
      'shown as lost at its hook.',
    'For that it makes a table of its own, which belongs to its socket: the kernel deletes it when the command ends, however that happens, and no chain of ' +
      'others is touched. Meanwhile each packet of the host takes about half a microsecond longer, a traced one more. What is above the rate passes unseen. Packets between two containers of one network are seen if br_netfilter hands them to the rules.',
    'It needs root. Before Linux 5.12 a table that a killed command leaves stays until the next trace; its rules match nothing after 10 s. At its end it tells what the kernel dropped outside of rules meanwhile. With --json: one object a line.',
  ],
  words,
  flags: { ...ownFlags, ...namesFlags, ...outputFlags, ...daemonFlags },
  examples: [
    {
      line: 'tsbridge trace elsewhere :8080',
      does: 'who comes to the published port 8080, and how far?',
    },
    { line: 'tsbridge trace --dropped-only --container web', does: 'what of web is dropped?' },
    {
      line: 'tsbridge trace web elsewhere:53/udp --reply',
      does: 'its questions to name servers, with answers',
    },
  ],
  exits: {
    ok: 'packets came, and none was dropped',
    failed: 'the kernel refuses, as without root',
    usage: 'wrong command line, or a place that is not there',
    differs: 'a packet was dropped, rejected or lost',
    unclear: 'no packet came that fits',
  },
  schema: 'trace',
  async run(line, terminal) {
    const { flags } = line;
    const call = await beginCall(line, terminal, 10_000);
    const end = terminal.interruption?.() ?? new AbortController().signal;
    const [{ HostAnswers: Host }, { TraceResolver }, { trace }, { show }] = await Promise.all([
      import('../../../host/look/host-answers.js'),
      import('../../trace/resolve.js'),
      import('../../trace/session.js'),
      import('../../trace/show.js'),
    ]);
    const { view, warnings } = await known(call, namesSomething(line.words, flags));
    for (const warning of warnings) terminal.err(plain`tsbridge trace: ${warning}\n`);
    const host = await Host.open();
    const tell = (item: TraceItem, at: Date) =>
      terminal.out(
        flags.json
          ? plain`${fitJson({ schema: schemaLabel('trace'), at: at.toISOString(), ...item })}\n`
          : show(item, at, flags.rules),
      );
    try {
      const filter = await new TraceResolver(host, view).filter({ ...line.words, ...flags });
      const rate = flags.rate ?? 20;
      const options = {
        packetsPerSecond: rate,
        count: flags.count ?? 10,
        forMs: flags.for ?? 60_000,
      };
      if (!flags.json) {
        terminal.out(
          plain`tracing ${options.count} packets, ${rate} a second at most, for ${options.forMs / 1_000} s; nothing stays behind\n`,
        );
      }
      const summary = await trace({
        ...options,
        ...{ filter, end, tell },
        replies: flags.reply,
        everyPacket: flags['every-packet'],
        droppedOnly: flags['dropped-only'],
        nameOf: namesOf(view),
        noRoute: (packet) => noRoute(host, packet),
      });
      tell({ kind: 'end', summary }, new Date());
      return exitOf(summary);
    } finally {
      host.close();
    }
  },
});

/** Why the host does not route the packet; undefined unless it was lost right behind PREROUTING, which is routing. */
async function noRoute(host: HostAnswers, packet: TracedPacket): Promise<string | undefined> {
  const { end, last, in: index, steps } = packet;
  if (end.kind !== 'lost' || end.after.hook !== 'PREROUTING' || last === undefined)
    return undefined;
  const inInterface = index === undefined ? undefined : host.addresses.nameOf(index);
  if (inInterface === undefined) return undefined;
  const question = { ...last, inInterface, mark: steps.at(-1)?.event.mark ?? 0 };
  // For some packets, such as multicast, the kernel does not answer the question.
  return host.noRouteFor(question).catch(() => undefined);
}

type Known = { readonly view: InventoryView | undefined; readonly warnings: readonly string[] };

function namesSomething(
  { from, to }: { from?: TracePlace | undefined; to?: TraceDestination | undefined },
  flags: { container?: string | undefined; network?: string | undefined },
): boolean {
  const named = [from, to?.place].some((each) => each?.kind === 'container');
  return named || flags.container !== undefined || flags.network !== undefined;
}

/**
 * The inventory with names. If no name is on the command line, addresses do: then its absence is a warning, no error.
 */
async function known<Words extends Parameters, Flags extends Parameters>(
  call: Call<Words, Flags & CallFlags>,
  needed: boolean,
): Promise<Known> {
  try {
    const { view, head } = await openInventory(call, { inside: false, counters: false });
    return { view, warnings: head.warnings };
  } catch (error) {
    if (needed) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return { view: undefined, warnings: [`containers are shown by their addresses only: ${why}`] };
  }
}

function namesOf(view: InventoryView | undefined): (address: string) => string | undefined {
  const names = new Map<string, string>();
  for (const { id, ipv4, ipv6 } of view?.endpoints() ?? []) {
    const name = view?.names.containerOf(id)?.name;
    for (const cidr of [ipv4, ipv6]) {
      const address = parseIp(cidr?.split('/')[0] ?? '');
      if (name !== undefined && address !== undefined) names.set(address, name);
    }
  }
  return (address) => names.get(address);
}

function exitOf({ packets, dropped }: SummaryItem): ExitName {
  if (packets === 0) return 'unclear';
  return dropped > 0 ? 'differs' : 'ok';
}
