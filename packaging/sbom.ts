/** What is in the package, for programs that look for known faults: CycloneDX 1.6, JSON. */
import { createHash } from 'node:crypto';
import type { Architecture } from './architectures.js';
import type { LockedPackage } from './base/lock.js';
import type { Dependency } from './licences.js';
import type { Release } from './release.js';
import type { BundledProgram } from './swarm-plugin.js';

/** Where the list lies: in packages, in the image and in the plugin; below `/`. */
export const componentList = 'usr/share/doc/tsbridge/sbom.cdx.json';

/**
 * Makes the list of what all formats have in them. `npm sbom` does not know the runtime, lists what is not shipped, and
 * writes the time and a random number, so that no two builds would be equal; hence a function of our own.
 *
 * @param program busybox for swarm's plugin, which is not of npm
 */
export function sbom(
  { version, epoch }: Release,
  { name: architecture }: Architecture,
  dependencies: readonly Dependency[],
  nodeVersion: string,
  program: BundledProgram,
): string {
  const deb = debUrl(program.name, program.version, architecture);
  const components = [
    {
      type: 'platform',
      'bom-ref': `pkg:generic/node@${nodeVersion}`,
      name: 'node',
      version: nodeVersion,
      purl: `pkg:generic/node@${nodeVersion}`,
      licenses: [{ license: { name: 'MIT and others, see the copyright file' } }],
      cpe: `cpe:2.3:a:nodejs:node.js:${nodeVersion}:*:*:*:*:*:*:*`,
    },
    {
      type: 'application',
      'bom-ref': deb,
      name: program.name,
      version: program.version,
      purl: deb,
      licenses: [{ expression: 'GPL-2.0-only' }],
      hashes: [{ alg: 'SHA-256', content: program.sha256 }],
    },
    ...dependencies.map(({ name, version, licence, integrity }) => {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      return {
        type: 'library',
        'bom-ref': purl,
        name,
        version,
        purl,
        licenses: [{ expression: licence }],
        ...(integrity === undefined ? {} : { hashes: [hashOf(integrity)] }),
      };
    }),
  ];
  const subject = `pkg:generic/tsbridge@${version}?arch=${architecture}`;
  return render({
    timestamp: new Date(epoch * 1000).toISOString(),
    component: {
      type: 'application',
      'bom-ref': subject,
      name: 'tsbridge',
      version,
      purl: subject,
      licenses: [{ license: { id: 'Apache-2.0' } }],
    },
    components,
  });
}

/**
 * The list of the image and of the plugin, whose root has packages of Debian, too.
 *
 * @param text what {@link sbom} has made
 * @param packages those of this architecture
 */
export function withPackages(
  text: string,
  packages: readonly LockedPackage[],
  architecture: Architecture['name'],
): string {
  const { metadata, components } = JSON.parse(text) as {
    metadata: Pick<Content, 'timestamp' | 'component'>;
    components: readonly Component[];
  };
  const below = packages.map(({ name, version, path, sha256 }) => {
    const purl = debUrl(name, version, path.endsWith('_all.deb') ? 'all' : architecture);
    return {
      ...{ type: 'library', 'bom-ref': purl, name, version, purl },
      licenses: [{ license: { name: `see /usr/share/doc/${name}/copyright` } }],
      hashes: [{ alg: 'SHA-256', content: sha256 }],
    };
  });
  const known = new Set(components.map((each) => each['bom-ref']));
  const added = below.filter((each) => !known.has(each['bom-ref']));
  return render({ ...metadata, components: [...components, ...added] });
}

/** A package URL (purl): its type `deb` wants plus signs escaped, and colons as they are. */
function debUrl(name: string, version: string, architecture: string): string {
  const escaped = encodeURIComponent(version).replaceAll('%3A', ':');
  return `pkg:deb/debian/${name.replaceAll('+', '%2B')}@${escaped}?arch=${architecture}`;
}

interface Component {
  readonly type: string;
  /** The package URL, by which the others of the list refer to it. */
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly object[];
  readonly hashes?: readonly object[];
}

interface Content {
  readonly timestamp: string;
  readonly component: Component;
  readonly components: readonly Component[];
}

function render({ timestamp, component, components }: Content): string {
  const subject = component['bom-ref'];
  const digest = createHash('sha256')
    .update(JSON.stringify([subject, components]))
    .digest('hex');
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: `urn:uuid:${uuidFrom(digest)}`,
      version: 1,
      metadata: { timestamp, component },
      components,
      dependencies: [{ ref: subject, dependsOn: components.map((each) => each['bom-ref']) }],
    },
    null,
    2,
  )}\n`;
}

/** `sha512-BASE64` of npm's lock → CycloneDX's algorithm and hex digits. */
function hashOf(integrity: string): { alg: string; content: string } {
  const [algorithm = '', base64 = ''] = integrity.split(/-(.*)/s);
  const content = Buffer.from(base64, 'base64').toString('hex');
  return { alg: algorithm.replace('sha', 'SHA-'), content };
}

/** The form of a random UUID (RFC 9562, version 8: of the maker's own choice), of a digest. */
function uuidFrom(digest: string): string {
  const variant = ((Number.parseInt(digest[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `${variant}${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}
