/** Whether there is a unix socket at a path. */
import { stat } from 'node:fs/promises';

export function hasSocket(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
}
