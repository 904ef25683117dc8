/** Repairs limits of traffic, when others have deleted or replaced a queueing discipline, a filter or an ifb. */
import { ErrorList, wrapError } from '../../../core/errors.js';
import type { EndpointState } from '../../state/registry.js';
import { differingLimits, ensureLimits, hasSpokenLimits } from '../../usecases/limits.js';
import { onEndpoint } from '../../usecases/on-endpoint.js';
import type { World } from '../../world.js';
import type { Signs } from '../signs.js';
import type { Concern, Occasion } from './concern.js';
import type { When } from './rules.js';

type LimitedWorld = Pick<World, 'endpointLocks' | 'networkLocks' | 'registry' | 'shaping'>;

/** @returns what was done, or with `dry-run` would be: `limit veth0123456 to 10mbit down (burst 12500)` */
export async function repairLimits(
  world: LimitedWorld,
  when: When,
  endpoints: readonly EndpointState[],
): Promise<string[]> {
  const limited = endpoints.filter(hasSpokenLimits);
  const done: string[] = [];
  const errors = new ErrorList();
  // Compared without locks first, since most often nothing differs; repairOne looks again under the lock.
  for (const state of await differingLimits(world, limited, when === 'dry-run')) {
    await errors.attempt(async () => {
      done.push(...(await repairOne(world, when, state)));
    });
  }
  if (errors.failed) {
    throw wrapError('repairing limits', new Error(errors.message), 'link-failed');
  }
  return done;
}

/** Under the endpoint's lock: an ifb that is made while a call removes the endpoint would stay for ever. */
function repairOne(world: LimitedWorld, when: When, state: EndpointState): Promise<string[]> {
  return onEndpoint(world, state.network.spec.id, state.spec.id, () =>
    ensureLimits(world, state, when === 'dry-run'),
  );
}

/** Keeps the queueing disciplines, filters and ifb devices of endpoints that have limits. */
export class LimitConcern implements Concern {
  readonly name = 'limits';
  readonly signs = ['start', 'links'] as const;

  constructor(private readonly world: LimitedWorld) {}

  differences(): Promise<string[]> {
    return repairLimits(this.world, 'dry-run', this.world.registry.endpoints());
  }

  repair(occasion: Occasion, { links }: Signs): Promise<string[]> {
    const { registry } = this.world;
    const touched =
      links === 'any' || occasion === 'start' || occasion === 'request'
        ? registry.endpoints()
        : [...new Set([...links].flatMap((name) => registry.endpointWith(name) ?? []))];
    return repairLimits(this.world, occasion === 'start' ? 'start' : 'running', touched);
  }
}
