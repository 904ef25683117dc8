/**
 * firewalld lets through what it has in the engine's zone: our bridges belong there
 * (docs/docker-bridge.md 8.1).
 */
import type { InterfaceName } from '../../core/names.js';
import { isZoned } from '../usecases/zones.js';
import type { World } from '../world.js';
import type { When } from './rules.js';

/** Answers with what had to be done: `put br-0 into the zone of firewalld`. */
export async function repairZones(world: World, when: When): Promise<string[]> {
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

/** The same while the host is in use: a firewalld that starts shall finish first. */
export async function repairZonesRunning(
  world: World,
  settled: boolean,
): Promise<string[] | 'unsettled'> {
  return settled ? repairZones(world, 'running') : 'unsettled';
}
