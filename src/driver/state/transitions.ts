/**
 * Every way in which the record of a network or of an endpoint changes. The records are read-only
 * everywhere else, so that whatever changes a phase or a port is in this file.
 *
 * A transition changes memory only, at once; the caller writes the record to disk (`saving.ts`).
 * Whatever is planned from the records (rules, repairs) sees the new state from then on: so what is to be
 * removed leaves the record before it leaves the host, and no repair puts it back.
 */
import type { OpenPort, PortBinding } from '../../core/ports/port.js';
import type { ProcessId } from '../host.js';
import type { EndpointRecord, NetworkRecord, RuleSettings } from './records.js';
import type { EndpointState, NetworkState } from './registry.js';

/** What others can reach of an endpoint. */
export type PublishedPorts = Pick<EndpointRecord, 'bindings' | 'opened' | 'exposed' | 'yielded'>;

const noPorts: PublishedPorts = { bindings: [], opened: [], exposed: [], yielded: [] };

/** All of the network is on the host. */
export function networkMade(state: NetworkState): void {
  changeNetwork(state, { phase: 'ready' });
}

/** The network goes. It never comes back: the same id is registered anew. */
export function networkRemoving(state: NetworkState): void {
  changeNetwork(state, { phase: 'removing' });
}

/** An engine starts; if it crashed before, it may not know the network any more. */
export function engineStarted(state: NetworkState): void {
  mutable(state).former = true;
}

/** The engine has made an endpoint in the network, so it knows the network. */
export function networkUsed(state: NetworkState): void {
  mutable(state).former = false;
}

/** A commit has written the network's rules with these rule settings. */
export function rulesMoved(state: NetworkState, ruleSettings: RuleSettings): void {
  changeNetwork(state, { ruleSettings });
}

/** All of the endpoint is on the host, and the engine is told so next. */
export function endpointMade(state: EndpointState): void {
  changeEndpoint(state, { phase: 'created' });
}

/** The engine is about to move the container's end into this sandbox. */
export function joined(
  state: EndpointState,
  sandboxKey: string,
  engine: ProcessId | undefined,
): void {
  changeEndpoint(state, { phase: 'ready', sandboxKey, engine });
}

/** The container's end was seen to have left the host: the endpoint was joined, though that is not on record. */
export function observedMoved(state: EndpointState): void {
  changeEndpoint(state, { phase: 'ready' });
}

/** Ports are chosen and bound next; a repair does not write their rules before they are. */
export function publishing(
  state: EndpointState,
  ports: Pick<EndpointRecord, 'opened' | 'exposed'>,
): void {
  changeEndpoint(state, ports);
  mutable(state).publishing = 'sockets';
}

/** The engine has joined the container to a network in mode `routed`: these are open from now on. */
export function portsOpened(state: EndpointState, opened: readonly OpenPort[]): void {
  changeEndpoint(state, { opened });
}

/** These host ports are taken in the allocator and are bound next: a release gives all of them back. */
export function portsChosen(state: EndpointState, bindings: readonly PortBinding[]): void {
  changeEndpoint(state, { bindings });
}

/** The sockets are open: the rules are added next, by the call or by a repair that comes first. */
export function portsBound(state: EndpointState): void {
  mutable(state).publishing = 'rules';
}

/** The call that published has ended, with or without an error. */
export function publishingOver(state: EndpointState): void {
  mutable(state).publishing = undefined;
}

/**
 * The record to write before the first port is taken off the host, so that a start can finish the release.
 * In memory the ports stay published until this is on disk.
 *
 * @param kept of the opened ports: those that stay open
 */
export function releaseRecord(
  { record }: EndpointState,
  kept: readonly OpenPort[] = [],
): EndpointRecord {
  const { bindings } = record;
  const released = { bindings, opened: withoutPorts(record.opened, kept) };
  return { ...record, ...noPorts, opened: kept, released };
}

/** Another endpoint of the container takes these ports over. */
export function portsYielded(state: EndpointState, ports: readonly PortBinding[]): void {
  const { bindings, yielded } = state.record;
  changeEndpoint(state, {
    bindings: bindings.filter((each) => !ports.includes(each)),
    yielded: [...yielded, ...ports],
  });
}

/** The other endpoint has released them: they are published by this one again. */
export function portsGivenBack(state: EndpointState, ports: readonly PortBinding[]): void {
  const { bindings, yielded } = state.record;
  changeEndpoint(state, {
    bindings: [...bindings, ...ports],
    yielded: yielded.filter((each) => !ports.includes(each)),
  });
}

/** The ports are taken off the host next, but those to keep. Answers with what they were. */
export function releasing(state: EndpointState, kept: readonly OpenPort[] = []): PublishedPorts {
  const { bindings, opened, exposed, yielded } = state.record;
  changeEndpoint(state, { ...noPorts, opened: kept });
  return { bindings, opened: withoutPorts(opened, kept), exposed, yielded };
}

function withoutPorts(ports: readonly OpenPort[], kept: readonly OpenPort[]): readonly OpenPort[] {
  return kept.length === 0 ? ports : ports.filter((port) => !kept.includes(port));
}

/** Some of it is still on the host: the next Leave, DeleteEndpoint or start tries again. */
export function releaseFailed(state: EndpointState, ports: PublishedPorts): void {
  const { opened } = state.record;
  changeEndpoint(state, { ...ports, opened: [...opened, ...ports.opened] });
}

/** A start has finished the release that the last daemon had begun. */
export function releaseFinished(state: EndpointState): void {
  const { released: _, ...record } = state.record;
  mutable(state).record = record;
}

/** The endpoint goes. It never comes back: the same id is registered anew. */
export function endpointRemoving(state: EndpointState): void {
  changeEndpoint(state, { phase: 'removing' });
}

function changeNetwork(state: NetworkState, change: Partial<NetworkRecord>): void {
  refuseReturn(state, change);
  mutable(state).record = { ...state.record, ...change };
}

function changeEndpoint(state: EndpointState, change: Partial<EndpointRecord>): void {
  refuseReturn(state, change);
  mutable(state).record = { ...state.record, ...change };
}

/** An object that is `removing` never becomes another phase: parts of it may be gone from the host. */
function refuseReturn(
  { spec, record }: NetworkState | EndpointState,
  { phase }: Partial<Pick<EndpointRecord, 'phase'>>,
): void {
  if (record.phase !== 'removing' || phase === undefined || phase === 'removing') return;
  throw new Error(`${spec.id.slice(0, 12)} is being removed and cannot become ${phase}`);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The one place where a state is written. */
function mutable<T extends NetworkState | EndpointState>(state: T): Mutable<T> {
  return state;
}
