/**
 * The container image, built without an engine: an OCI layout, in a tar that `docker load` takes as well, since
 * it also has the list of `docker save`. Its layers are not compressed, because the archive is, by more.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './architectures.js';
import { sha256 } from './base/fetch.js';
import { layBase, layInstalled, seal } from './base/rootfs.js';
import type { Release } from './release.js';
import type { Effort } from './run.js';
import { packTar, pressTar } from './tarball.js';

/** What the Dockerfile says of the process, so that both images are used alike. */
export function dockerfileSettings(text: string) {
  const value = (instruction: string): string => {
    const found = new RegExp(`^${instruction} (.*)$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`the Dockerfile has no ${instruction}`);
    return found;
  };
  return {
    Entrypoint: JSON.parse(value('ENTRYPOINT')) as string[],
    Cmd: JSON.parse(value('CMD')) as string[],
    StopSignal: value('STOPSIGNAL'),
  };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const oci = 'application/vnd.oci.image';

/** A folder in the form of the OCI image layout. */
class Layout {
  constructor(readonly folder: string) {
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  }

  addFile(mediaType: string, path: string): Descriptor {
    const sum = sha256(readFileSync(path));
    const size = statSync(path).size;
    renameSync(path, join(this.folder, 'blobs/sha256', sum));
    return { mediaType, digest: `sha256:${sum}`, size };
  }

  addJson(mediaType: string, value: unknown): Descriptor {
    const path = join(this.folder, 'new.json');
    writeFileSync(path, JSON.stringify(value));
    return this.addFile(mediaType, path);
  }
}

/** @returns the path of `tsbridge-VERSION-MACHINE.oci.tar.xz`, or `.tar` where the effort is quick */
export async function buildImage(
  release: Release,
  architecture: Architecture,
  stage: string,
  out: string,
  effort: Effort,
): Promise<string> {
  const { version, epoch } = release;
  const work = `${stage}-image`;
  rmSync(work, { recursive: true, force: true });
  const layout = new Layout(join(work, 'layout'));
  const base = join(work, 'base');
  await layBase(architecture, base);
  seal(base, epoch);
  const own = join(work, 'own');
  mkdirSync(own);
  layInstalled(architecture, stage, own);
  seal(own, epoch);

  const layers: Descriptor[] = [];
  for (const root of [base, own]) {
    const tar = join(work, 'layer.tar');
    await packTar(root, tar, epoch);
    layers.push(layout.addFile(`${oci}.layer.v1.tar`, tar));
  }
  const created = new Date(epoch * 1000).toISOString();
  const config = layout.addJson(`${oci}.config.v1+json`, {
    ...{ architecture: architecture.name, os: 'linux', created },
    config: {
      Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      ...dockerfileSettings(readFileSync(join(release.root, 'Dockerfile'), 'utf8')),
      Labels: {
        'org.opencontainers.image.title': 'tsbridge',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    // Nothing is compressed, so that the digest of a layer is that of its content.
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: [
      { created, created_by: "Debian's packages" },
      { created, created_by: `tsbridge ${version}` },
    ],
  });
  const manifest = layout.addJson(`${oci}.manifest.v1+json`, {
    ...{ schemaVersion: 2, mediaType: `${oci}.manifest.v1+json` },
    ...{ config, layers },
  });
  const platform = { architecture: architecture.name, os: 'linux' };
  const names = {
    'org.opencontainers.image.ref.name': version,
    'io.containerd.image.name': `docker.io/library/tsbridge:${version}`,
  };
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(layout.folder, name), JSON.stringify(value));
  write('index.json', {
    ...{ schemaVersion: 2, mediaType: `${oci}.index.v1+json` },
    manifests: [{ ...manifest, platform, annotations: names }],
  });
  const blob = ({ digest }: Descriptor) => `blobs/${digest.replace(':', '/')}`;
  write('manifest.json', [
    { Config: blob(config), RepoTags: [`tsbridge:${version}`], Layers: layers.map(blob) },
  ]);

  const tar = join(out, `tsbridge-${version}-${architecture.npm}.oci.tar`);
  await packTar(layout.folder, tar, epoch);
  rmSync(work, { recursive: true });
  return await pressTar(tar, effort);
}
