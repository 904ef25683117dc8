/** Publications begin and end on the disk: what a start finds there is what operators have asked for. */
import type { Publication } from '../../core/publications/publication.js';
import { encodePublication } from '../state/publication-records.js';
import type { World } from '../world.js';

type Kept = Pick<World, 'registry' | 'store'>;

/** From here on a start opens its ports. */
export async function keep({ registry, store }: Kept, publication: Publication): Promise<void> {
  await store.write('publication', publication.id, encodePublication(publication));
  registry.publications.add(publication);
}

/** From here on a start closes its ports, if they are open. If the record cannot be removed, all stays. */
export async function forget({ registry, store }: Kept, { id }: Publication): Promise<void> {
  await store.remove('publication', id);
  registry.publications.remove(id);
}
