/**
 * Makes a bundle: files with what was found out, and a manifest that lists them, what was withheld, and what failed.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.js';
import { type Allowed, type AllowList, allow } from './allowed.js';
import type { Anonymiser } from './anonymise.js';
import { allowNative } from './native-rules.js';
import { allowRules } from './rules-text.js';

export type FileAllowList = AllowList | 'rules' | 'native';

/** One thing that is found out for a bundle. */
export interface Part {
  /** Name of the file in the bundle. */
  readonly name: string;
  /** The command, file or request that the part comes from. */
  readonly source: string;
  /** What of it may be in the bundle. `rules`: it is text of iptables-save; `native`: it is tables that nft made. */
  readonly allowList: FileAllowList;
  /** Reads the part. @throws if it cannot be found out, which the manifest then says */
  read(): Promise<unknown>;
}

export interface BundleFile {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Manifest {
  readonly format: 'tsbridge-diags/1';
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly version: string;
  readonly anonymised: boolean;
  readonly files: readonly {
    readonly name: string;
    readonly source: string;
    readonly bytes: number;
    readonly sha256: string;
    /** How many values were left out, by their places in the file. */
    readonly withheld: Readonly<Record<string, number>>;
  }[];
  /** Parts that could not be read, and why; the reasons quote no text of others. */
  readonly failed: readonly {
    readonly name: string;
    readonly source: string;
    readonly reason: string;
  }[];
  /** What is withheld from every file, as a sentence. */
  readonly withheld: string;
}

const rule =
  'Only what tsbridge has a list of is in this bundle. Left out: environment and labels of containers (but for the compose ' +
  'project and service), command lines (but for listed flags of dockerd), settings without an entry in tsbridge’s own table, ' +
  'comments and patterns of rules (but for the marks by which a program’s rules are known), texts of errors.';

/** @returns the files, the manifest first */
export async function bundle(
  parts: readonly Part[],
  { at, version, anonymiser }: { at: string; version: string; anonymiser?: Anonymiser },
): Promise<{ readonly manifest: Manifest; readonly files: readonly BundleFile[] }> {
  const files: BundleFile[] = [];
  const entries: Manifest['files'][number][] = [];
  const failed: Manifest['failed'][number][] = [];
  // All parts are read at the same time, so that several that hang take no longer than one.
  const readings = await Promise.allSettled(parts.map(({ read }) => read()));
  for (const [index, { name, source, allowList }] of parts.entries()) {
    const reading = readings[index];
    try {
      if (reading?.status !== 'fulfilled') throw reading?.reason;
      const found = reading.value;
      const { text, withheld } = project(found, allowList, anonymiser);
      const bytes = Buffer.from(anonymiser === undefined ? text : anonymiser.text(text));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      files.push({ name, bytes });
      entries.push({ name, source, bytes: bytes.length, sha256, withheld });
    } catch (error) {
      failed.push({ name, source, reason: reasonOf(error) });
    }
  }
  const manifest: Manifest = {
    ...{ format: 'tsbridge-diags/1', at, version, anonymised: anonymiser !== undefined },
    ...{ files: entries, failed, withheld: rule },
  };
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  return { manifest, files: [{ name: 'manifest.json', bytes }, ...files] };
}

function project(
  found: unknown,
  allowList: FileAllowList,
  anonymiser: Anonymiser | undefined,
): { readonly text: string; readonly withheld: Readonly<Record<string, number>> } {
  if (allowList === 'rules') {
    const rules = typeof found === 'string' ? allowRules(found) : undefined;
    if (rules === undefined) throw new Unreadable('it has a line that is not understood');
    return { text: rules.text, withheld: rules.withheld === 0 ? {} : { text: rules.withheld } };
  }
  const { value, withheld } =
    allowList === 'native' ? native(found) : allow(found, allowList, anonymiser?.name);
  if (value === undefined) throw new Unreadable('it has another form than is known');
  return { text: `${JSON.stringify(value, null, 1)}\n`, withheld: Object.fromEntries(withheld) };
}

function native(found: unknown): Allowed {
  const { value, withheld = new Map<string, number>() } = allowNative(found) ?? {};
  return { value, withheld };
}

/** A failure whose message is tsbridge's own, so that it may be in the manifest. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** Why a part failed. Messages of other errors can quote anything, so that only their codes are told. */
function reasonOf(error: unknown): string {
  if (error instanceof Unreadable) return messageOf(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[A-Za-z_-]{1,40}$/.test(code) ? `failed with ${code}` : 'it could not be found out';
}
