/** Which machines there are libraries with binaries for; elsewhere loading them fails with words that help nobody. */

export interface Platform {
  /** As in `process.platform`. */
  readonly system: string;
  /** As in `process.arch`: that of the running program, whatever the kernel's is. */
  readonly architecture: string;
  /** The version of the C library; undefined: it is another one, such as musl. */
  readonly glibc: string | undefined;
}

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** @returns what is wrong with this machine, in a sentence; undefined if tsbridge runs on it */
export function platformProblem({ system, architecture, glibc }: Platform): string | undefined {
  const known = architectures[architecture];
  if (system === 'linux' && known !== undefined && glibc !== undefined) return undefined;
  const found = [
    system === 'linux' ? 'Linux' : system,
    ...(known === undefined ? [`on ${architecture}`] : [`on ${known}`]),
    ...(system === 'linux' && glibc === undefined
      ? ['without glibc (Alpine and others with musl)']
      : []),
  ].join(' ');
  return `this is ${found}, and tsbridge runs on Linux on x86_64 or aarch64 (64 bits) with glibc`;
}

export function readPlatform(): Platform {
  // Otherwise the report looks up the names of all peers.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return {
    system: process.platform,
    architecture: process.arch,
    glibc: header.glibcVersionRuntime,
  };
}
