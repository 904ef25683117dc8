/**
 * Opens a bundle of `tsbridge diags` in memory. The bundle may come from a stranger, so everything that tsbridge does
 * not write into one is refused.
 */
import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf } from '../../../core/errors.js';

/**
 * Most bytes of the .tar.gz file and of its content when it is unpacked. A bundle of a host with a thousand containers
 * has some megabytes.
 */
const mostPacked = 16 * 1024 * 1024;
const mostBytes = 64 * 1024 * 1024;
const mostFiles = 100;

/**
 * Names that tsbridge gives files of a bundle: none begins with a slash or leads upwards. No file is written to disk.
 */
const fileName = /^(?:[a-z0-9-]+\/)?[a-z0-9-]+\.(?:json|txt)$/;

/** The file is not a bundle, or not one as tsbridge writes it. The message is a sentence that names the file. */
export class BadBundle extends Error {
  override readonly name = 'BadBundle';
}

export interface Archive {
  /** Texts of the files, by their names. */
  readonly files: ReadonlyMap<string, string>;
  readonly anonymised: boolean;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** By the name of each file that is missing: why `tsbridge diags` could not make it. */
  readonly failed: ReadonlyMap<string, string>;
}

/** @throws {BadBundle} */
export async function openArchive(path: string): Promise<Archive> {
  const refuse = (why: string) => new BadBundle(`${path} is no bundle of tsbridge diags: ${why}`);
  const packed = await readAtMost(path, mostPacked, refuse);
  const tar = await promisify(gunzip)(packed, { maxOutputLength: mostBytes }).catch((error) => {
    throw refuse(
      error instanceof RangeError
        ? `it has more than ${mostBytes} bytes`
        : `it cannot be unpacked (${messageOf(error)})`,
    );
  });
  const files = await filesIn(tar, refuse);
  return { ...manifestOf(files, refuse), files };
}

type Refuse = (why: string) => BadBundle;

/** @throws {BadBundle} if the file cannot be read, is not a regular file, or has more than `most` bytes */
async function readAtMost(path: string, most: number, refuse: Refuse): Promise<Buffer> {
  try {
    // If the path is a FIFO, opening it without O_NONBLOCK would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size, isFile } = await file.stat().then((stat) => ({
        ...{ size: stat.size, isFile: stat.isFile() },
      }));
      if (!isFile) throw refuse('it is no file');
      if (size > most) throw refuse(`it has more than ${most} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof BadBundle) throw error;
    throw new BadBundle(`${path} cannot be read: ${messageOf(error)}`);
  }
}

async function filesIn(tar: Uint8Array, refuse: Refuse): Promise<Map<string, string>> {
  // Imported only here, so that other commands do not load the library.
  const { unpackTar } = await import('modern-tar');
  const entries = await unpackTar(tar, { strict: true }).catch((error) => {
    throw refuse(`it is damaged (${messageOf(error)})`);
  });
  if (entries.length > mostFiles) throw refuse(`it has more than ${mostFiles} files`);
  const files = new Map<string, string>();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (const { header, data } of entries) {
    const { name, type = 'file' } = header;
    if (type !== 'file' || !fileName.test(name) || files.has(name)) {
      throw refuse(`it has ${JSON.stringify(name.slice(0, 80))} (${type})`);
    }
    try {
      files.set(name, decoder.decode(data ?? new Uint8Array()));
    } catch {
      throw refuse(`${name} is no text`);
    }
  }
  return files;
}

/** Reads the manifest, and refuses files that it does not list or whose hash differs. @throws {BadBundle} */
function manifestOf(
  files: ReadonlyMap<string, string>,
  refuse: Refuse,
): Pick<Archive, 'anonymised' | 'at' | 'failed'> {
  const manifest = objectIn(parse(files.get('manifest.json') ?? '', 'manifest.json', refuse));
  if (manifest.format !== 'tsbridge-diags/1') throw refuse('manifest.json is of another format');
  const listed = new Set<string>();
  for (const each of listIn(manifest.files)) {
    const { name: given, sha256 } = objectIn(each);
    const name = String(given);
    // A file of many megabytes that is listed ten thousand times would be hashed for hours.
    if (listed.has(name)) throw refuse(`its manifest has ${JSON.stringify(name)} twice`);
    listed.add(name);
    const text = files.get(name);
    const digest = text === undefined ? '' : createHash('sha256').update(text).digest('hex');
    if (digest !== sha256) throw refuse(`${JSON.stringify(name)} is not as its manifest says`);
  }
  for (const name of files.keys()) {
    if (name !== 'manifest.json' && !listed.has(name)) throw refuse(`its manifest has no ${name}`);
  }
  const failed = listIn(manifest.failed).map((each) => {
    const { name, reason } = objectIn(each);
    return [String(name), String(reason)] as const;
  });
  return {
    anonymised: manifest.anonymised === true,
    at: /^[0-9TZ:.-]{20,30}$/.exec(String(manifest.at))?.[0] ?? 'an unknown time',
    failed: new Map(failed),
  };
}

/** The text as a JSON value. @throws {BadBundle} if it is not JSON, or a list in it has null as an item */
export function parse(text: string, name: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text, function (this: unknown, _key, value: unknown) {
      if (value === null && Array.isArray(this)) throw new SyntaxError('a list has null in it');
      return value;
    });
  } catch (error) {
    throw refuse(`${name} is no JSON (${messageOf(error)})`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** The value if it is an object; an empty object for anything else. */
export function objectIn(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

/** The value if it is a list; an empty list for anything else. */
export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
