/**
 * Names from the engine's own files, for when the engine itself does not answer. Their form is no promise of
 * Docker's: what is not understood is passed over.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { readContainerFile } from '../../codec/docker-answers.js';
import type { EngineContainer } from '../../core/engine-lists.js';
import { parseContainerId } from '../../core/names.js';

const mostContainers = 20_000;
const mostBytes = 1 << 20;

/** @param dataRoot `/var/lib/docker`, or dockerd's --data-root. Empty if nothing can be read. */
export async function readContainerFiles(dataRoot: string): Promise<EngineContainer[]> {
  const folder = `${dataRoot}/containers`;
  const ids = (await readdir(folder).catch(() => [])).filter(
    (name) => parseContainerId(name) !== undefined,
  );
  const containers: EngineContainer[] = [];
  for (const id of ids.slice(0, mostContainers)) {
    const path = `${folder}/${id}/config.v2.json`;
    try {
      if ((await stat(path)).size > mostBytes) continue;
      containers.push(readContainerFile(JSON.parse(await readFile(path, 'utf8'))));
    } catch {
      // It is being removed or written, or has another form.
    }
  }
  return containers;
}
