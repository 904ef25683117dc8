/**
 * Endpoints whose engine crashed before it could ask for their removal, and will never do so. They hold
 * host ports and addresses that another container may need. What counts as proof that an endpoint is
 * over is in `usecases/proofs.ts`.
 */
import { messageOf } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { type Clock, systemClock } from '../clock.js';
import type { EndpointState } from '../state/registry.js';
import { saveEndpoint } from '../state/saving.js';
import { observedMoved } from '../state/transitions.js';
import { removeEndpoint } from '../usecases/endpoints.js';
import { isAbandoned, isDead } from '../usecases/proofs.js';
import type { World } from '../world.js';

/**
 * Milliseconds between two checks of an endpoint whose interface is not in its container yet; most are moved within a
 * second. An endpoint may therefore be removed so long after the end of the engine that made it.
 */
export const unmovedMs = 60_000;
/** How long an engine that runs may take from the end of a sandbox to DeleteEndpoint. */
const graceMs = 5_000;
/**
 * When the link of a running container was deleted by hand, no event tells of the container's end: so often
 * it is asked for.
 */
const againMs = 60_000;

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
 * Checks an endpoint that is not in its sandbox yet, until the engine has moved it there or it is over.
 * If the container's end has left the host, the endpoint was joined, even if that is not on record.
 */
export function removeUnlessMoved(
  world: World,
  state: EndpointState,
  clock: Clock = systemClock,
): void {
  const { spec, network } = state;
  const again = (): void => removeUnlessMoved(world, state, clock);
  const examine = async (): Promise<void> => {
    if (state.record.phase === 'removing' || world.registry.endpoint(spec.id) !== state) return;
    if ((await world.links.find(spec.veth.container)) === undefined) {
      if (state.record.moved === true) return;
      observedMoved(state);
      await saveEndpoint(world, state);
      return;
    }
    if (!(await isAbandoned(world, state))) return again();
    world.log.info(
      { endpoint: shortId(spec.id) },
      'removing an endpoint that was never moved into a container, and whose engine has died',
    );
    await removeEndpoint(world, state);
  };
  clock.setTimeout(() => {
    world.networkLocks.exclusive(network.spec.id, examine).catch((error) => {
      const fields = { endpoint: shortId(spec.id), error: messageOf(error) };
      world.log.error(fields, 'looking after an endpoint that was never used failed');
      again();
    });
  }, unmovedMs);
}

/** Checks endpoints whose links have changed, after the engine has had {@link graceMs} to remove them. */
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
    this.#timer = this.clock.setTimeout(() => {
      this.#examine().catch((error) => {
        // #examine deals with each endpoint's failures itself.
        this.world.log.error({ error }, 'looking for dead endpoints failed');
      });
    }, waitMs);
  }

  async #examine(): Promise<void> {
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const state of touched) {
      await collectIfDead(this.world, state);
      if (await this.#mayDie(state)) this.#touched.add(state);
    }
    this.#timer = undefined;
    if (this.#touched.size > 0) this.#schedule(againMs);
  }

  /** Whether its link is missing; true also if that cannot be found out. */
  async #mayDie({ spec }: EndpointState): Promise<boolean> {
    const { links, registry } = this.world;
    if (registry.endpoint(spec.id)?.spec !== spec) return false;
    try {
      return (await links.find(spec.veth.host)) === undefined;
    } catch (error) {
      const fields = { endpoint: shortId(spec.id), error: messageOf(error) };
      this.world.log.warn(fields, 'looking for the link of an endpoint failed; again');
      return true;
    }
  }
}
