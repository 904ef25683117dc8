/**
 * firewalld lets traffic of bridges through that are in the engine's zone: those of our networks belong there
 * (docs/docker-bridge.md 8.1).
 */
import type { InterfaceName } from '../../../core/names.js';
import { isZoned } from '../../usecases/zones.js';
import type { World } from '../../world.js';
import type { Concern, Occasion } from './concern.js';
import type { When } from './rules.js';

/** Answers with what had to be done: `put br-0 into the zone of firewalld`. */
export async function repairZones(
  world: Pick<World, 'registry' | 'rules' | 'zones'>,
  when: When,
): Promise<string[]> {
  const wanted = (): InterfaceName[] =>
    world.registry
      .networks()
      .filter(({ spec, record }) => record.phase === 'ready' && isZoned(world, spec))
      .map(({ spec }) => spec.bridge);
  const absent = await world.zones.unplaced(wanted());
  // A network may have been deleted meanwhile, and its bridge taken out of the zone.
  const still = new Set(wanted());
  const unplaced = absent.filter((bridge) => still.has(bridge));
  if (when !== 'dry-run') await world.zones.place(unplaced);
  return unplaced.map((bridge) => `put ${bridge} into the zone of firewalld`);
}

/** {@link repairZones} while the host is in use: waits until a firewalld that starts has finished. */
export async function repairZonesRunning(
  world: Pick<World, 'registry' | 'rules' | 'zones'>,
  longQuiet: boolean,
): Promise<string[] | 'too-early'> {
  return longQuiet ? repairZones(world, 'running') : 'too-early';
}

/** Asking firewalld takes a fifth of a second, so it is asked only after it has changed rules itself. */
export class ZoneConcern implements Concern {
  readonly name = 'zones';
  readonly signs = ['start', 'firewalld'] as const;

  constructor(private readonly world: Pick<World, 'registry' | 'rules' | 'zones'>) {}

  differences(): Promise<string[]> {
    return repairZones(this.world, 'dry-run');
  }

  /** A start does not wait for firewalld, nor for the engine that makes its zone. */
  async repair(occasion: Occasion): Promise<string[] | 'too-early'> {
    if (occasion === 'start') return 'too-early';
    return repairZonesRunning(this.world, occasion !== 'busy');
  }
}
