/** Where the entry of a probe lies: in `dist/` the same place as here, below the folder of this module. */
import { fileURLToPath } from 'node:url';

export const probeProgram = (): string =>
  fileURLToPath(new URL('./probe/main.js', import.meta.url));
