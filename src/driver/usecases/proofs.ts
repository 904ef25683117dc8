/**
 * What proves that an endpoint is over, so that it may be removed although its engine has not said
 * so. Everything else (an address or a subnet that is given out again, time that has passed, a link
 * that is missing) is no proof.
 */
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';

type Signs = Pick<World, 'links' | 'sandboxes' | 'processes'>;

/**
 * Its container is gone: its link goes with the container's network namespace, or is deleted by
 * hand; then the sandbox is still there, and the endpoint is in use. No namespace outlives its
 * boot. What is on its way out was over before.
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
 * It was never moved into a container, and the engine that should do so has ended. One that lives
 * may take any time over it: a volume plugin, an image that is pulled, containerd that does not
 * answer. Up to 27 the sandbox appears late; if it is there, another engine may have taken the
 * container over.
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
