/** `tsbridge diags`: one file for a ticket, with what is known of this host's networks, and without secrets. */
import { randomBytes } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { messageOf } from '../../../core/errors.js';
import { anonymiser } from '../../../operator/diags/anonymise.js';
import { type BundleFile, bundle } from '../../../operator/diags/bundle.js';
import { asOfNow } from '../../../operator/names/as-of.js';
import { readVersion } from '../../../version.js';
import { AdminError } from '../../admin-client.js';
import { daemonText } from '../../daemon-text.js';
import { reportCommand } from '../../define.js';
import { joined, plain } from '../../output/fit.js';
import type { DiagsItem } from '../../schemas/diags.js';
import { flag, optional } from '../../table/entry.js';
import { filePath } from '../../table/kinds.js';

export const diagsCommand = reportCommand({
  name: 'diags',
  summary: 'write a bundle for a ticket: what is known of the networks, without secrets',
  about: [
    'A .tar.gz that only its owner can read. manifest.json comes first: each file with its source, size and hash, what was ' +
      'withheld from it, and what could not be found out. Only what is on a list of tsbridge’s own is in it; environment, labels, ' +
      'command lines and comments of rules are not, but for the marks by which one sees whose rules they are. Look at it before ' +
      'you send it: --preview prints the manifest. tsbridge explain --from answers from it, on any other host.',
  ],
  words: {},
  flags: {
    out: optional(
      filePath,
      'where to write it; tsbridge-diags-HOST-TIME.tar.gz in the current folder',
    ),
    preview: flag('say what would be in it, and write nothing'),
    anonymise: flag(
      'other names of containers and networks, public addresses and MAC addresses in place of the real ones; ' +
        'names of interfaces and chains, prefixes of LOG rules, and paths stay',
    ),
  },
  examples: [
    { line: 'tsbridge diags --preview', does: 'what would be in it' },
    { line: 'tsbridge diags --anonymise --out /root/ticket.tar.gz', does: 'for a public ticket' },
  ],
  exits: {
    ok: 'it is written',
    failed: 'it cannot be written',
    usage: 'wrong command line',
    unclear: 'it is written, and something could not be found out: see the manifest',
  },
  schema: 'diags',
  timeoutMs: 60_000,
  async ask({ flags, config, request, timeoutMs }) {
    const [{ diagsParts }, { readInventory }] = await Promise.all([
      import('../../diags-parts.js'),
      import('../../inventory/read.js'),
    ]);
    const at = asOfNow();
    const version = await readVersion();
    const hidden = flags.anonymise ? { anonymiser: anonymiser(randomBytes(32)) } : {};
    const { runtimeDir } = config;
    const parts = diagsParts(
      config,
      (method, path) => request(method, path),
      async (path) => (await daemonText({ runtimeDir, timeoutMs }, path)).text,
      () => readInventory({ config, request: (method, path) => request(method, path) }),
    );
    const { manifest, files } = await bundle(parts, { at, version, ...hidden });
    const name = `tsbridge-diags-${flags.anonymise ? 'host' : hostname()}-${at.replace(/[-:]|\.\d+/g, '')}.tar.gz`;
    const path = flags.preview ? null : (flags.out ?? resolve(name));
    if (path !== null) await write(path, files);
    const warnings = manifest.failed.map((each) => `${each.name} is not in it: ${each.reason}`);
    const items: DiagsItem[] = manifest.files.map(({ withheld, ...file }) => ({
      ...file,
      withheld: Object.values(withheld).reduce((sum, count) => sum + count, 0),
    }));
    return { source: 'host', warnings, items, more: { path, anonymised: flags.anonymise } };
  },
  show({ items, more }) {
    const rows = items.map(
      ({ name, bytes, withheld, source }) =>
        plain`  ${name}: ${String(bytes)} bytes, ${String(withheld)} values withheld (${source})\n`,
    );
    const path = more?.path;
    return typeof path === 'string'
      ? plain`Written to ${path}, with manifest.json and:\n${joined(rows)}`
      : plain`It would have manifest.json and:\n${joined(rows)}Nothing was written.\n`;
  },
  exit: ({ warnings }) => (warnings.length > 0 ? 'unclear' : 'ok'),
});

/** Writes the bundle; a file of that name is not overwritten, and none is left if it could not be written whole. */
async function write(path: string, files: readonly BundleFile[]): Promise<void> {
  try {
    // Imported here, so that no other command loads it.
    const { packTar } = await import('modern-tar');
    const tar = await packTar(
      files.map(({ name, bytes }) => ({
        header: { name, size: bytes.length, mode: 0o600, type: 'file' },
        body: new Uint8Array(bytes),
      })),
    );
    const packed = await promisify(gzip)(tar);
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(packed);
      await file.sync();
    } catch (error) {
      await unlink(path).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new AdminError(`writing ${path}: ${messageOf(error)}`, true);
  }
}
