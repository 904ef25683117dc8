/** How the command starts Node.js: the flags of its first line. */
import { readFileSync } from 'node:fs';

const main = readFileSync(new URL('../../src/main.ts', import.meta.url), 'utf8');
const [, flags] = /^#!\/usr\/bin\/env -S node (.*)$/m.exec(main) ?? [];
if (flags === undefined) throw new Error('src/main.ts begins otherwise than expected');

export const nodeFlags: readonly string[] = flags.split(' ');
