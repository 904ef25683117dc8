/**
 * A file with one JSON document, for what can be found out again: names of containers, and which engine made what.
 * Written whole or not at all, and without a wait for the disk.
 */
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { codeOf } from '../../core/errors.js';

export class JsonFile {
  /** @param path in a folder that only one daemon uses */
  constructor(private readonly path: string) {}

  /** undefined if there is none. */
  async load(): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.path, 'utf8'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async save(document: unknown): Promise<void> {
    const temporary = `${this.path}.new`;
    await unlink(temporary).catch(() => undefined);
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(document)}\n`);
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
  }
}
