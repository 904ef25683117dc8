/**
 * What happens at a start: records → what is desired → host. The engine replays nothing
 * (docs/docker-bridge.md 7.7), so whatever should be there has to come from here, and what is right
 * already is left alone.
 */

import { awaitedLater } from '../background.js';
import { ErrorList, messageOf } from '../core/errors.js';
import { shortId, vethNames } from '../core/names.js';
import type { ObservedLink } from '../core/network/links.js';
import { shapedLink } from '../core/network/shaping.js';
import { ownerOfPublished } from '../core/publications/publication.js';
import { Yielding } from '../yielding.js';
import type { Links, Listener, Log, RecordStore, StoredRecord } from './host.js';
import { removeUnlessMoved } from './orphans/dead-endpoints.js';
import { hostConcerns } from './repair/concerns/all.js';
import type { Concern } from './repair/concerns/concern.js';
import { haveGuards, haveOtherSettings, repairRules } from './repair/concerns/rules.js';
import { everything } from './repair/signs.js';
import { isLeased } from './state/leased.js';
import { decodePublication } from './state/publication-records.js';
import { decodeEndpoint, decodeNetwork, type EndpointRecord } from './state/records.js';
import { type EndpointState, hostPortsOf } from './state/registry.js';
import { saveEndpoint } from './state/saving.js';
import { observedMoved } from './state/transitions.js';
import { remedy } from './state/unreadable.js';
import { removeEndpoint } from './usecases/endpoints.js';
import { takeAway } from './usecases/networks.js';
import { isGuardedEndpoint } from './usecases/passage.js';
import { closeUnpublished } from './usecases/ports/added-ports.js';
import { endpointOwner, listenerOf } from './usecases/ports/bind-ports.js';
import { heldBackPorts, holdBack, openablePorts } from './usecases/ports/held-back.js';
import { finishRelease } from './usecases/ports/publish.js';
import { reclaimAll } from './usecases/ports/siblings.js';
import { isDead } from './usecases/proofs.js';
import type { World } from './world.js';

/**
 * How often links are listed, and rules written, until a start gives up. Without a list of links the daemon ends.
 * Without rules it goes on, and guarded ports stay closed.
 */
const mostAttempts = 5;

/** What a start reads first; the reading can begin before the rest of the world is made. */
export interface HostReading {
  readonly records: Promise<readonly StoredRecord[]>;
  readonly links: Promise<readonly ObservedLink[]>;
}

export function readHost(store: RecordStore, links: Links, log: Log): HostReading {
  const reading = { records: store.load(), links: listLinks(links, log) };
  for (const each of Object.values(reading)) awaitedLater(each);
  return reading;
}

/**
 * Rejects only if it cannot be found out which records there are; whatever fails for one object is
 * logged.
 */
export async function recover(
  world: World,
  reading = readHost(world.store, world.links, world.log),
  concerns: readonly Concern[] = hostConcerns(world),
): Promise<void> {
  // What changes after this reading is repaired when the watch begins, right after recovery.
  world.rules.readAhead();
  await loadAll(world, await reading.records);
  // At boot the engine starts all containers at once; the proxy process should be up by then.
  if (world.registry.networks().some(({ spec }) => !spec.internal)) world.hostPorts.prepare();
  // The removals below delete rules in the form in which they are written now, so the rules on the host must have this
  // form. Guards of ports (`tsbridge.publish_from`) are written before sockets and elements of the map, which let
  // everybody in.
  if (haveOtherSettings(world) || world.registry.endpoints().some(isGuardedEndpoint)) {
    await attempt(world, 'rules', () => writeRules(world));
  }
  const links = await reading.links;
  await collectLeftovers(world, new Set(links.map(({ name }) => name)));
  reclaimAll(world);
  await Promise.all([
    attempt(world, 'published ports', () => holdPorts(world, world.registry.endpoints())),
    ...concerns.map((concern) =>
      attempt(world, concern.name, async () => {
        // What a concern puts off (`too-early`) is done by the first repair after the start.
        await concern.repair('start', everything, { links });
      }),
    ),
  ]);
}

/**
 * Writes all rules before anything else. If that fails for good, ports whose guards are not on the host stay closed,
 * and the repairs after the start open them (`repair/concerns/rules.ts`).
 */
async function writeRules(world: World): Promise<void> {
  try {
    await persistently(world.log, 'writing the rules', () => repairRules(world));
  } catch (error) {
    if (!(await haveGuards(world))) holdBack(world);
    throw error;
  }
}

const listLinks = (links: Links, log: Log): Promise<ObservedLink[]> =>
  persistently(log, 'listing the interfaces', () => links.list());

/**
 * Tries the work up to {@link mostAttempts} times: on a host that boots or is under heavy load, the answer of the
 * kernel may come too late.
 */
async function persistently<T>(log: Log, what: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === mostAttempts) throw error;
      log.warn({ attempt, error: messageOf(error) }, `${what} failed; again`);
    }
  }
}

async function loadAll(world: World, records: readonly StoredRecord[]): Promise<void> {
  const { registry, settings } = world;
  const yielding = new Yielding();
  for (const stored of records) {
    if (stored.kind !== 'network') continue;
    await load(world, stored, (value) => {
      const record = decodeNetwork(value);
      registry.addNetwork(
        world.frontEnds.of(record).readNetwork(record.input, settings).spec,
        record,
        true,
      );
    });
  }
  const newest = registry.networks().at(-1);
  if (newest !== undefined) world.rules.expectGeneration(newest.record.ruleSettings.generation);
  for (const stored of records) {
    if (stored.kind !== 'publication') continue;
    await load(world, stored, (value) => registry.publications.add(decodePublication(value)));
  }
  for (const stored of records) {
    if (stored.kind !== 'endpoint') continue;
    await load(world, stored, (value) => loadEndpoint(world, decodeEndpoint(value)));
    await yielding.pause();
  }
}

/** Parses one record. A record that is not understood stays, and nothing that it describes is changed. */
async function load(
  world: Pick<World, 'log' | 'registry'>,
  stored: StoredRecord,
  parse: (value: unknown) => void | Promise<void>,
): Promise<void> {
  const { kind, id, path } = stored;
  const fail = (reason: string): void => {
    world.registry.unreadable.add({ kind, id, path, reason });
    world.log.error({ [kind]: id.slice(0, 12), file: path }, `${reason}. ${remedy}`);
  };
  if ('unreadable' in stored) return fail(stored.unreadable.message);
  try {
    await parse(stored.value);
  } catch (error) {
    fail(`reading the record ${path}: ${messageOf(error)}`);
  }
}

async function loadEndpoint(
  world: Pick<World, 'allocator' | 'frontEnds' | 'links' | 'registry' | 'removals' | 'store'>,
  record: EndpointRecord,
): Promise<void> {
  const { registry } = world;
  const { endpointId: id, networkId } = record;
  const network = registry.network(networkId);
  if (network !== undefined) {
    const { spec } = world.frontEnds.of(record).readEndpoint(record.input, network.spec);
    const veth = vethNames(spec.id, record.nameAttempt);
    registry.addEndpoint(network, { ...spec, veth }, record);
    world.allocator.add(record.bindings, endpointOwner(id, network.spec.bridge));
    for (const { publication, bindings } of record.added) {
      const known = registry.publications.get(publication);
      const owner = known && ownerOfPublished(known);
      world.allocator.add(bindings, owner ?? endpointOwner(id, network.spec.bridge));
    }
  } else if (registry.unreadable.has(networkId)) {
    const bindings = hostPortsOf(record);
    registry.unreadable.strand({ id, bindings });
    world.allocator.add(bindings, endpointOwner(id, `network ${shortId(networkId)}`));
  } else {
    // Its network was removed wholly; what is left is this record, and the link if that could not be deleted.
    const { host } = vethNames(id, record.nameAttempt);
    world.removals.begin(host, async () => {
      await world.links.remove(shapedLink(host).ifb);
      await world.store.remove('endpoint', id);
    });
  }
}

/**
 * Finishes what a crash interrupted. The engine was never told of an object that is `creating`, and has
 * given up one that is `removing`. An endpoint that is `created` and has lost its link cannot be joined.
 */
async function collectLeftovers(world: World, links: ReadonlySet<string>): Promise<void> {
  const yielding = new Yielding();
  for (const state of world.registry.endpoints()) {
    await yielding.pause();
    // An endpoint of a network that was under a lease is removed with the network, below.
    if (isLeased(state.network)) continue;
    const gone = !links.has(state.spec.veth.host);
    const { phase } = state.record;
    if (!gone && links.has(state.spec.veth.container)) removeUnlessMoved(world, state);
    await attempt(world, 'ports that were released', () => finishRelease(world, state));
    await attempt(world, 'ports that were unpublished', () => closeUnpublished(world, state));
    if (phase === 'ready' && !gone) continue;
    // A missing link proves nothing: it can have been deleted by hand while the container runs.
    if (phase === 'ready' && !(await isDead(world, state))) continue;
    if (phase === 'created' && !gone) {
      // Joined, but the daemon died before that was on record.
      if (!links.has(state.spec.veth.container)) {
        observedMoved(state);
        await attempt(world, 'recording a join', () => saveEndpoint(world, state));
      }
      continue;
    }
    world.log.info(
      { endpoint: shortId(state.spec.id), phase: state.record.phase, linkGone: gone },
      'removing what is left of an endpoint',
    );
    await attempt(world, `endpoint ${shortId(state.spec.id)}`, () => removeEndpoint(world, state));
  }
  for (const state of world.registry.networks()) {
    // A lease ends with the daemon that gave it, so that these networks are nobody's.
    if (state.record.phase === 'ready' && !isLeased(state)) continue;
    world.log.info(
      { network: shortId(state.spec.id), phase: state.record.phase },
      'removing what is left of a network',
    );
    const errors = new ErrorList();
    for (const endpoint of [...state.endpoints.values()]) {
      await errors.attempt(() => removeEndpoint(world, endpoint));
    }
    await attempt(world, `network ${shortId(state.spec.id)}`, () => takeAway(world, state));
  }
}

async function holdPorts(
  world: Pick<World, 'hostPorts' | 'log' | 'registry' | 'rules' | 'settings'>,
  endpoints: readonly EndpointState[],
): Promise<void> {
  const wanted = new Map<EndpointState['spec']['id'], Listener[]>();
  const yielding = new Yielding();
  for (const state of endpoints) {
    await yielding.pause();
    const { spec, network } = state;
    const bindings = openablePorts(world, state);
    if (bindings.length === 0) continue;
    wanted.set(
      spec.id,
      bindings.map((binding) => listenerOf(world, network.spec.userlandProxy, binding)),
    );
  }
  const { unreadable } = world.registry;
  for (const { id, bindings } of unreadable.stranded()) {
    if (bindings.length === 0) continue;
    wanted.set(
      id,
      bindings.map((binding) => listenerOf(world, world.settings.userlandProxy, binding)),
    );
  }
  for (const { listener, code } of await world.hostPorts.sync(wanted, unreadable.endpoints())) {
    const { protocol, hostIp, hostPort } = listener.binding;
    world.log.error(
      { protocol, hostIp, hostPort, code },
      'published port could not be bound again',
    );
  }
  for (const text of heldBackPorts(world)) world.log.error({}, text);
}

async function attempt(
  world: Pick<World, 'log'>,
  what: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    const left = await work();
    if (typeof left === 'string') throw new Error(left);
  } catch (error) {
    world.log.error({ what, error: messageOf(error) }, 'recovery of one part failed');
  }
}
