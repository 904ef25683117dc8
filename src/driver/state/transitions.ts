/**
 * Every way in which the record of a network or of an endpoint changes. The records are read-only
 * everywhere else, so that whatever changes a phase or a port is in this file.
 *
 * A transition changes memory only, at once; the caller writes the record to disk (`saving.ts`).
 * Whatever is planned from the records (rules, repairs) sees the new state from then on: so what is to be
 * removed leaves the record before it leaves the host, and no repair puts it back.
 */
import type { GivenLimits } from '../../core/network/limits.js';
import type { OpenPort, PortBinding } from '../../core/ports/port.js';
import type { PublicationId } from '../../core/publications/publication.js';
import type { ProcessId } from '../host.js';
import type { EndpointRecord, NetworkRecord, RecordedPorts, RuleSettings } from './records.js';
import type { EndpointState, NetworkState } from './registry.js';

/** What others can reach of an endpoint. */
export type PublishedPorts = Pick<
  EndpointRecord,
  'bindings' | 'opened' | 'exposed' | 'yielded' | 'publishedAt'
>;

const noPorts: PublishedPorts = {
  bindings: [],
  opened: [],
  exposed: [],
  yielded: [],
  publishedAt: undefined,
};

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

/** An operator has set limits for the network's containers. @param limits undefined: none were ever set */
export function networkLimited(state: NetworkState, limits: GivenLimits | undefined): void {
  const { limits: _, ...record } = state.record;
  mutable(state).record = limits === undefined ? record : { ...record, limits };
}

/** An operator has set limits for one endpoint. @param limits undefined: none were ever set */
export function endpointLimited(state: EndpointState, limits: GivenLimits | undefined): void {
  const { limits: _, ...record } = state.record;
  mutable(state).record = limits === undefined ? record : { ...record, limits };
}

/** All of the endpoint is on the host, and the engine is told so next. */
export function endpointMade(state: EndpointState): void {
  changeEndpoint(state, { phase: 'created' });
}

/**
 * The engine is about to move the container's end into this sandbox.
 *
 * @returns makes the endpoint as it was before, for a join that fails
 */
export function joined(
  state: EndpointState,
  sandboxKey: string,
  engine: ProcessId | undefined,
): () => void {
  const { phase, sandboxKey: formerKey, engine: formerEngine } = state.record;
  const hadLeft = state.left ?? false;
  changeEndpoint(state, { phase: 'ready', sandboxKey, engine });
  mutable(state).left = false;
  return () => {
    changeEndpoint(state, { phase, sandboxKey: formerKey, engine: formerEngine });
    mutable(state).left = hadLeft;
  };
}

/** The engine takes the container out of the network: nothing is published on the endpoint any more. */
export function left(state: EndpointState): void {
  mutable(state).left = true;
}

/** The container's end was seen to have left the host: the endpoint was joined, also if that is not on record. */
export function observedMoved(state: EndpointState): void {
  changeEndpoint(state, { phase: 'ready', moved: true });
}

/**
 * The rules that guard the endpoint's ports are missing. Until {@link portsLetIn}, no start or repair opens their
 * sockets.
 */
export function portsHeldBack(state: EndpointState): void {
  mutable(state).heldBack = true;
}

/** The rules that guard the endpoint's ports are there, so that its sockets may be opened. */
export function portsLetIn(state: EndpointState): void {
  mutable(state).heldBack = false;
}

/** Ports are chosen and bound next; a repair does not write their rules before they are. */
export function publishing(
  state: EndpointState,
  ports: Pick<EndpointRecord, 'opened' | 'exposed'>,
): void {
  changeEndpoint(state, ports);
  mutable(state).publishing = { stage: 'sockets', publication: undefined };
}

/** The engine has joined the container to a network in mode `routed`: these are open from now on. */
export function portsOpened(state: EndpointState, opened: readonly OpenPort[]): void {
  changeEndpoint(state, { opened });
}

/**
 * The driver has taken these host ports in the allocator, and binds them next; a release gives all of them back.
 *
 * @param now RFC 3339, UTC; `tsbridge ports` shows it
 */
export function portsChosen(
  state: EndpointState,
  bindings: readonly PortBinding[],
  now: string,
): void {
  changeEndpoint(state, { bindings, publishedAt: bindings.length === 0 ? undefined : now });
}

/** The sockets are open: the rules are added next, by the call or by a repair that comes first. */
export function portsBound(state: EndpointState): void {
  mutable(state).publishing = { stage: 'rules', publication: state.publishing?.publication };
}

/** An operator publishes: ports are chosen and bound next. */
export function adding(state: EndpointState, publication: PublicationId): void {
  mutable(state).publishing = { stage: 'sockets', publication };
}

/** As {@link portsChosen}, for what an operator publishes. */
export function addedChosen(
  state: EndpointState,
  publication: PublicationId,
  bindings: readonly PortBinding[],
): void {
  const others = state.record.added.filter((each) => each.publication !== publication);
  changeEndpoint(state, { added: [...others, { publication, bindings }] });
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
  const released = { bindings, opened: withoutPorts(record.opened, kept), added: [] };
  return { ...record, ...noPorts, opened: kept, released };
}

/** As {@link releaseRecord}, for what operators have published; the engine's ports stay. */
export function unpublishedRecord(
  { record }: EndpointState,
  ids: ReadonlySet<PublicationId>,
): EndpointRecord {
  const released = { bindings: [], opened: [], added: addedOf(record, ids) };
  return { ...record, added: withoutAdded(record, ids), released };
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
  const { bindings, opened, exposed, yielded, publishedAt } = state.record;
  changeEndpoint(state, { ...noPorts, opened: kept });
  return { bindings, opened: withoutPorts(opened, kept), exposed, yielded, publishedAt };
}

/** As {@link releasing}, for what operators have published. */
export function unpublishing(
  state: EndpointState,
  ids: ReadonlySet<PublicationId>,
): RecordedPorts['added'] {
  const gone = addedOf(state.record, ids);
  changeEndpoint(state, { added: withoutAdded(state.record, ids) });
  return gone;
}

/** As {@link releaseFailed}. */
export function unpublishFailed(state: EndpointState, added: RecordedPorts['added']): void {
  changeEndpoint(state, { added: [...state.record.added, ...added] });
}

const addedOf = ({ added }: RecordedPorts, ids: ReadonlySet<PublicationId>) =>
  added.filter(({ publication }) => ids.has(publication));
const withoutAdded = ({ added }: RecordedPorts, ids: ReadonlySet<PublicationId>) =>
  added.filter(({ publication }) => !ids.has(publication));

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
