/** `lay.ts ARCHITECTURE FOLDER`: Debian's part of the image alone, for scripts/arm64. */
import { architectures } from '../architectures.js';
import { layBase } from './rootfs.js';

const [, , name, folder] = process.argv;
const architecture = architectures.find((each) => each.name === name);
if (architecture === undefined || folder === undefined) {
  throw new Error('lay.ts ARCHITECTURE FOLDER');
}
await layBase(architecture, folder);
