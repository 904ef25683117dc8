/** `struct sockaddr_un` (unix(7)). */
import { endianness } from 'node:os';

/** AF_UNIX */
export const unixFamily = 1;

/** @param path one that begins with `@` is an abstract one, which has no zero at its end */
export function unixAddress(path: string): Uint8Array {
  const family = Buffer.alloc(2);
  family[endianness() === 'LE' ? 0 : 1] = unixFamily;
  const name = path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([family, Buffer.from(name)]);
}
