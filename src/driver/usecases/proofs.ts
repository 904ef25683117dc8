/**
 * What proves that an endpoint is over, so that it may be removed although no engine has asked for it.
 * An address or a subnet that is given out again, time that has passed or a missing link is no proof.
 */
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';

type Signs = Pick<World, 'links' | 'sandboxes' | 'processes'>;

/**
 * Its container is gone: its link is missing, and the network namespace is, too, or the host was booted
 * since. A link alone can be deleted by hand: then the sandbox is still there, and the endpoint is in use.
 * An endpoint that is `removing` is over in any case.
 */
export async function isDead(signs: Signs, { spec, record }: EndpointState): Promise<boolean> {
  const { phase, sandboxKey, engine } = record;
  if (phase === 'removing') return true;
  if (phase !== 'ready' || (await signs.links.find(spec.veth.host))) return false;
  if (engine !== undefined && (await signs.processes.isOfEarlierBoot(engine))) return true;
  if (sandboxKey !== undefined) return !(await signs.sandboxes.isThere(sandboxKey));
  return engine !== undefined && (await signs.processes.isGone(engine));
}

/**
 * It was never moved into a container, and the engine that should do so has ended. An engine that runs
 * may take any time for it: a volume plugin, an image that is pulled, containerd that does not answer. If
 * the sandbox exists (up to 27 it appears late), another engine may have taken the container over.
 */
export async function isAbandoned(signs: Signs, { spec, record }: EndpointState): Promise<boolean> {
  const { phase, sandboxKey, engine } = record;
  if ((phase !== 'created' && phase !== 'ready') || engine === undefined) return false;
  if ((await signs.links.find(spec.veth.container)) === undefined) return false;
  if (!(await signs.processes.isGone(engine))) return false;
  return sandboxKey === undefined || !(await signs.sandboxes.isThere(sandboxKey));
}

export async function isOver(signs: Signs, state: EndpointState): Promise<boolean> {
  return (await isDead(signs, state)) || (await isAbandoned(signs, state));
}
