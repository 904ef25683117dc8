/** Changes bundles of `tsbridge diags`, as somebody could who forges one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { packTar, unpackTar } from 'modern-tar';

/** The texts of the files in a bundle. */
export async function filesOf(path: string): Promise<Map<string, string>> {
  const entries = await unpackTar(gunzipSync(readFileSync(path)));
  return new Map(
    entries.map(({ header, data }) => [header.name, Buffer.from(data ?? []).toString()]),
  );
}

/** The bytes of the bundle with these files changed. The manifest is made to fit them, unless it is one of them. */
export async function forge(
  bundle: string,
  changes: Readonly<Record<string, (text: string) => string>>,
): Promise<Uint8Array> {
  const files = await filesOf(bundle);
  for (const [name, change] of Object.entries(changes))
    files.set(name, change(files.get(name) ?? ''));
  if (!('manifest.json' in changes)) {
    const manifest = JSON.parse(files.get('manifest.json') ?? '');
    const entries = [...files].map(([name, text]) => ({ name, sha256: digestOf(text) }));
    const others = entries.filter(({ name }) => name !== 'manifest.json');
    files.set('manifest.json', JSON.stringify({ ...manifest, files: others }));
  }
  return gzipSync(
    await packTar(
      [...files].map(([name, body]) => ({ header: { name, size: Buffer.byteLength(body) }, body })),
    ),
  );
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
