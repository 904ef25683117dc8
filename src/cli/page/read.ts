/** Reads what the page tells: from the daemon or its records, from the host, and from what other commands find out. */
import { hostname } from 'node:os';
import { messageOf } from '../../core/errors.js';
import type { HostInterfaces } from '../../host/look/uplinks.js';
import type { PageEvent, PageFacts, PagePort } from '../../operator/page/facts.js';
import type { TopologyUplink } from '../../operator/picture/topology.js';
import type { Call, CallFlags } from '../call.js';
import { doctorCommand } from '../commands/look/doctor.js';
import { type EventLine, wordsOf } from '../commands/look/events.js';
import { statusCommand } from '../commands/look/status.js';
import { daemonLines } from '../daemon-text.js';
import { openInventory } from '../inventory/open.js';
import type { DoctorItem } from '../schemas/doctor.js';
import type { PortItem } from '../schemas/inventory.js';
import type { Parameters } from '../table/entry.js';
import type { Terminal } from '../terminal.js';
import { ask } from './ask.js';
import { pageInventory } from './inventory.js';
import { statusRows } from './status.js';
import { withWays } from './ways.js';

export interface PageWishes {
  /** Flags that every command has which is asked: where the daemon is, and whether names are. */
  readonly args: readonly string[];
  readonly terminal: Terminal;
  readonly version: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Whether ways to ports are part of it; otherwise they are asked for one by one. */
  readonly ways: boolean;
  readonly reach: boolean;
}

/** Most events that the page shows when it is opened. */
const mostEvents = 100;
/** Most ports whose reachability is worked out: that takes four simulated packets for each port. */
export const mostReach = 200;
export const tooManyPorts = `from where ports are reached was not worked out: there are more than ${mostReach} (tsbridge ports --reach)`;

type AnyCall = Call<Parameters, CallFlags>;

export async function readPage(call: AnyCall, wishes: PageWishes): Promise<PageFacts> {
  const { args, terminal, at, version } = wishes;
  const [opened, doctor, status, interfaces, told] = await Promise.all([
    openInventory(call, { inside: true, counters: false }),
    ask<DoctorItem>(doctorCommand, args, terminal),
    ask<unknown>(
      statusCommand,
      args.filter((each) => each !== '--no-names'),
      terminal,
    ),
    interfacesOf(),
    eventsOf(call),
  ]);
  const { view, head } = opened;
  const endpoints = view.endpoints();
  const reached = await reachOf(wishes, view.ports(endpoints), view);
  const items = endpoints.map((endpoint) => view.endpointItem(endpoint));
  const { networks, containers, ports } = pageInventory(view.networks(), items, reached.items);
  const ways = wishes.ways ? await withWays(ports, args, terminal) : { ports, warnings: [] };
  const checks = doctor.document.checks as { notDone?: readonly { code: string }[] } | undefined;
  return {
    ...{ at, version, networks, containers },
    host: hostname(),
    source: head.source === 'daemon' ? 'the daemon' : "the daemon's records",
    status: statusRows(status.items?.[0]),
    warnings: [
      ...head.warnings,
      ...interfaces.problems,
      ...reached.warnings,
      ...ways.warnings,
      ...(doctor.items === undefined ? [doctor.said] : []),
    ],
    uplinks: local(interfaces.uplinks, ports),
    bridges: interfaces.bridges.filter(
      ({ name }) => !networks.some(({ bridge }) => bridge === name),
    ),
    ports: ways.ports,
    findings: doctor.items?.filter(({ followsFrom }) => followsFrom === null),
    notChecked: (checks?.notDone ?? []).map(({ code }) => code),
    events: told?.events,
    lastEvent: told?.last ?? '',
  };
}

type View = Awaited<ReturnType<typeof openInventory>>['view'];

async function reachOf(
  { reach }: PageWishes,
  items: readonly PortItem[],
  view: View,
): Promise<{ items: readonly PortItem[]; warnings: readonly string[] }> {
  if (!reach) return { items, warnings: [] };
  if (items.length > mostReach) {
    return { items, warnings: [tooManyPorts] };
  }
  try {
    const { withReach } = await import('../inventory/reach.js');
    return await withReach(items, view);
  } catch (error) {
    const words = `from where ports are reached could not be worked out: ${messageOf(error)}`;
    return { items, warnings: [words] };
  }
}

async function interfacesOf(): Promise<HostInterfaces & { problems: string[] }> {
  try {
    const { readInterfaces } = await import('../../host/look/uplinks.js');
    return { ...(await readInterfaces()), problems: [] };
  } catch (error) {
    const problems = [`the interfaces could not be read: ${messageOf(error)}`];
    return { uplinks: [], bridges: [], problems };
  }
}

/** Leaves `lo` out of the interfaces if no port is published on a loopback address. */
export function local(uplinks: readonly TopologyUplink[], ports: readonly PagePort[]) {
  const isUsed = ports.some(({ from }) => from === 'host');
  return isUsed ? uplinks : uplinks.filter(({ name }) => name !== 'lo');
}

/** The newest events of the daemon, without calls, which would crowd out the others; undefined: it does not run. */
async function eventsOf({
  config: { runtimeDir },
  timeoutMs,
}: AnyCall): Promise<{ events: readonly PageEvent[]; last: string } | undefined> {
  const lines: EventLine[] = [];
  const daemon = { runtimeDir, timeoutMs };
  const end = AbortSignal.timeout(timeoutMs);
  try {
    for await (const text of daemonLines(daemon, '/v1/events?not=call', end, false)) {
      lines.push(JSON.parse(text) as EventLine);
      if (lines.length > mostEvents) lines.shift();
    }
  } catch {
    return undefined;
  }
  return { events: lines.map(pageEvent).reverse(), last: String(lines.at(-1)?.id ?? '') };
}

export function pageEvent(line: EventLine): PageEvent {
  return { at: line.at, kind: line.kind, words: String(wordsOf(line)) };
}
