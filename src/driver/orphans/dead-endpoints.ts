/**
 * Endpoints whose engine died before it could say that they are over (docs/docker-bridge.md 7.7):
 * nobody will ever ask for their removal. They hold ports, rules and records, which another
 * container may want.
 */
import { messageOf } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { type Clock, systemClock } from '../clock.js';
import type { EndpointState } from '../state/registry.js';
import { saveEndpoint } from '../state/saving.js';
import { foundMoved } from '../state/transitions.js';
import { removeEndpoint } from '../usecases/endpoints.js';
import type { World } from '../world.js';

/** The engine moves an endpoint within seconds; a plugin call is retried for 15 s. */
const moveGraceMs = 60_000;
/** An engine that lives takes an endpoint away right beside its sandbox. */
const graceMs = 5_000;
/** Somebody has deleted the link of a container that lives: its end is seen by looking again. */
const againMs = 60_000;

/**
 * Proof that a container is gone: its link goes only with its network namespace, which is its
 * sandbox, or by somebody's hand; then the sandbox is still there, and the endpoint is in use. What
 * is on its way out already was over before.
 */
export async function isDead(world: World, { spec, record }: EndpointState): Promise<boolean> {
  if (record.phase === 'removing') return true;
  if (record.phase !== 'ready' || (await world.links.find(spec.veth.host))) return false;
  return record.sandboxKey === undefined || !(await world.sandboxes.isThere(record.sandboxKey));
}

/** Removes the endpoint if it is dead, when no call is at work on its network. Never rejects. */
export async function collectIfDead(world: World, state: EndpointState): Promise<void> {
  const { id } = state.spec;
  const dead = async (): Promise<boolean> =>
    world.registry.endpoint(id) === state && (await isDead(world, state));
  try {
    if (!(await dead())) return;
    await world.networkLocks.exclusive(state.network.spec.id, async () => {
      if (!(await dead())) return;
      world.log.info(
        { endpoint: shortId(id), network: shortId(state.network.spec.id) },
        'removing an endpoint whose container is gone, and whose engine has not said so',
      );
      await removeEndpoint(world, state);
    });
  } catch (error) {
    const fields = { endpoint: shortId(id), error: messageOf(error) };
    world.log.error(fields, 'removing a dead endpoint failed');
  }
}

/**
 * For an endpoint that has not been moved into its sandbox: either the engine does it now, or it
 * never got our answer and has forgotten it, or it has died over it. One whose other end has left
 * the host was joined, even if that could not be recorded.
 */
export function expectMove(world: World, state: EndpointState, clock: Clock = systemClock): void {
  const { spec, network } = state;
  const look = async (): Promise<void> => {
    const { phase, sandboxKey } = state.record;
    if (phase === 'removing' || world.registry.endpoint(spec.id) !== state) return;
    if ((await world.links.find(spec.veth.container)) === undefined) {
      if (phase !== 'creating') return;
      foundMoved(state);
      await saveEndpoint(world, state);
      return;
    }
    if (phase === 'ready' && sandboxKey && (await world.sandboxes.isThere(sandboxKey))) {
      expectMove(world, state, clock);
      return;
    }
    world.log.info(
      { endpoint: shortId(spec.id) },
      'removing an endpoint that was never moved into a container',
    );
    await removeEndpoint(world, state);
  };
  clock.setTimeout(() => {
    world.networkLocks.exclusive(network.spec.id, look).catch((error) => {
      const fields = { endpoint: shortId(spec.id), error: messageOf(error) };
      world.log.error(fields, 'removing an endpoint that was never used failed');
    });
  }, moveGraceMs);
}

/** Looks at endpoints whose links have changed, once their engine has had its time. */
export class DeadWatch {
  readonly #touched = new Set<EndpointState>();
  #timer: unknown;
  #stopped = false;

  constructor(
    private readonly world: World,
    private readonly clock: Clock = systemClock,
  ) {}

  /** @param name without it: any link may be gone */
  changed(name?: string): void {
    const { registry } = this.world;
    const endpoints = name === undefined ? registry.endpoints() : [registry.endpointOf(name)];
    for (const state of endpoints) if (state !== undefined) this.#touched.add(state);
    if (this.#touched.size > 0) this.#schedule(graceMs);
  }

  stop(): void {
    this.#stopped = true;
    this.clock.clearTimeout(this.#timer);
  }

  #schedule(waitMs: number): void {
    if (this.#stopped || this.#timer !== undefined) return;
    this.#timer = this.clock.setTimeout(() => void this.#look(), waitMs);
  }

  async #look(): Promise<void> {
    const { links, registry } = this.world;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const state of touched) {
      await collectIfDead(this.world, state);
      const known = registry.endpoint(state.spec.id) === state;
      const linkless = known && (await links.find(state.spec.veth.host)) === undefined;
      if (linkless) this.#touched.add(state);
    }
    this.#timer = undefined;
    if (this.#touched.size > 0) this.#schedule(againMs);
  }
}
