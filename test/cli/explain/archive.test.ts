/** Bundles that would keep whoever reads them busy for hours: small files of a stranger. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import t from 'tap';
import { openArchive } from '../../../src/cli/explain/bundle/archive.js';
import { BundleFiles } from '../../../src/cli/explain/bundle/content.js';

const path = join(mkdtempSync(join(tmpdir(), 'tsb-')), 'ticket.tar.gz');
t.teardown(() => rmSync(join(path, '..'), { recursive: true }));
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** @param names of the only file, as the manifest lists it */
async function write(rules: string, names: readonly unknown[], anonymised = false): Promise<void> {
  const sha256 = digestOf(rules);
  const files = names.map((name) => ({ name, sha256 }));
  const manifest = JSON.stringify({ format: 'tsbridge-diags/1', anonymised, files });
  const entries = { 'manifest.json': manifest, 'rules-ipv4.txt': rules };
  const tar = await packTar(
    Object.entries(entries).map(([name, body]) => ({
      header: { name, size: Buffer.byteLength(body) },
      body,
    })),
  );
  writeFileSync(path, gzipSync(tar));
}

t.test('a file that the manifest lists again is not hashed again', async (t) => {
  const rules = '# a comment\n';
  for (const name of ['rules-ipv4.txt', ['rules-ipv4.txt']]) {
    await write(rules, ['rules-ipv4.txt', name]);
    await t.rejects(openArchive(path), /its manifest has "rules-ipv4.txt" twice/);
  }
});

t.test('a long line is not searched for ranges again from each of its characters', async (t) => {
  for (const part of ['a:', '2001:db8:']) {
    await write(`-A FORWARD -s ${part.repeat(200_000)} -j ACCEPT\n`, ['rules-ipv4.txt'], true);
    new BundleFiles(path, await openArchive(path)).refuseRanges();
  }
  const range = '-A FORWARD -m iprange --src-range 2001:db8::1-2001:db8:ffff:ffff:ffff:ffff:ffff:9';
  await write(`${range} -j ACCEPT\n`, ['rules-ipv4.txt'], true);
  const files = new BundleFiles(path, await openArchive(path));
  t.throws(() => files.refuseRanges(), /is anonymised, and rules-ipv4.txt has ranges/);
});
