/** The root file system of the image and of the plugin: Debian's files below, what packages install above. */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Architecture } from '../architectures.js';
import { touchAll } from '../modes.js';
import { run } from '../run.js';
import { componentList, withPackages } from '../sbom.js';
import { busyboxPrograms, contents } from './contents.js';
import { fetchDeb } from './fetch.js';
import { readLock } from './lock.js';

/** Of every package: what nobody reads in a container; terms stay. */
const unread = /^usr\/share\/(man|locale|info|lintian|bash-completion|gcc|gdb)\//;
const terms = /^usr\/share\/doc\/[^/]+(\/copyright)?$/;

/** Folders that are there from the start: the links /bin, /lib and so on lead to the first ones, others are mounted over. */
const folders = [
  ...['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64'],
  ...['proc', 'sys', 'dev', 'run', 'var/lib/tsbridge', 'etc/tsbridge'],
];

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  'etc/group': 'root:x:0:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  // Of the engine's making in every container; where it makes none, a container still knows itself.
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
};

/** Empties `root` and lays out Debian's part of it. */
export async function layBase(architecture: Architecture, root: string): Promise<void> {
  rmSync(root, { recursive: true, force: true });
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  const lock = readLock();
  const unpacked = `${root}.deb`;
  for (const locked of lock.packages) {
    if (locked.architecture !== architecture.name) continue;
    if (!(locked.name in contents)) throw new Error(`${locked.name} is locked and not wanted`);
    rmSync(unpacked, { recursive: true, force: true });
    await run('dpkg-deb', ['--extract', await fetchDeb(lock, locked), unpacked]);
    takeOver(unpacked, root, contents[locked.name]);
  }
  rmSync(unpacked, { recursive: true, force: true });
  // As the packages' scripts would: nft unless the daemon finds Docker's chains in the other one.
  for (const family of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) {
      symlinkSync(`${family}-nft${suffix}`, join(root, `usr/sbin/${family}${suffix}`));
    }
  }
  // By that name the engine tells where network namespaces are.
  symlinkSync('../run', join(root, 'var/run'));
  for (const program of busyboxPrograms) symlinkSync('busybox', join(root, 'usr/bin', program));
  // The daemon runs without a power that would let it write where nobody may, so that its folder for temporary files
  // is everybody's.
  mkdirSync(join(root, 'tmp'));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
}

function takeOver(from: string, root: string, wanted: readonly string[] | undefined): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = relative(from, join(entry.parentPath, entry.name));
    if (!isTaken(path, wanted)) continue;
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(join(from, path)), target);
    else copyFileSync(join(from, path), target);
  }
}

function isTaken(path: string, wanted: readonly string[] | undefined): boolean {
  if (path.startsWith('usr/share/doc/')) return terms.test(path);
  return !unread.test(path) && (wanted?.some((start) => path.startsWith(start)) ?? true);
}

/** What of a package's files has a meaning in a container: neither units nor pages nor completions. */
const installed = ['usr/lib/tsbridge', 'usr/bin', 'usr/share/doc/tsbridge'];

/**
 * Lays the files that packages install over Debian's part, and adds the packages of that part to the list of components.
 *
 * @param stage the folder in which those files are already
 */
export function layInstalled({ name }: Architecture, stage: string, root: string): void {
  for (const path of installed) {
    cpSync(join(stage, path), join(root, path), { recursive: true, verbatimSymlinks: true });
  }
  const list = join(root, componentList);
  const packages = readLock().packages.filter(({ architecture }) => architecture === name);
  writeFileSync(list, withPackages(readFileSync(list, 'utf8'), packages, name));
}

/** Nothing is writable, also not for root without CAP_DAC_OVERRIDE; and one time for all. */
export function seal(root: string, epoch: number): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || (lstatSync(path).mode & 0o100) !== 0;
    chmodSync(path, executable ? 0o555 : 0o444);
  }
  chmodSync(root, 0o555);
  if (existsSync(join(root, 'tmp'))) chmodSync(join(root, 'tmp'), 0o1777);
  touchAll(root, epoch);
}
