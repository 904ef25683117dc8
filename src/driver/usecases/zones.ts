/** Which bridges belong into firewalld's zone. */
import type { NetworkSpec } from '../../core/network/network.js';
import type { World } from '../world.js';

/** Internal networks belong there from 28 on. Up to 27 no packet of theirs passes the host. */
export function isZoned({ rules }: Pick<World, 'rules'>, { internal }: NetworkSpec): boolean {
  const recent = rules.generationName === 'docker28' || rules.generationName === 'docker29';
  return !internal || recent;
}
