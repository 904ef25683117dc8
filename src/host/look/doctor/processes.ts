/**
 * Reads for `tsbridge doctor` whether systemd will listen on the daemon's socket, and how many files the proxy process
 * has open.
 */
import { access, readdir, readFile } from 'node:fs/promises';
import type { FactParts, ProxyFiles } from '../../../core/doctor/facts.js';

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Names in a folder; none if the folder cannot be listed. */
const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** @param processes process ids; those of processes that have ended are left out */
export async function readProxyFiles(
  processes: readonly number[],
  proc = '/proc',
): Promise<ProxyFiles[]> {
  const found = await Promise.all(
    processes.map(async (pid): Promise<ProxyFiles[]> => {
      const [limits, files] = await Promise.all([
        readFile(`${proc}/${pid}/limits`, 'utf8').catch(() => ''),
        namesIn(`${proc}/${pid}/fd`),
      ]);
      const [, most] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
      return most === undefined ? [] : [{ pid, open: files.length, most: Number(most) }];
    }),
  );
  return found.flat();
}

const unit = 'tsbridge.socket';
/** Folders of systemd.unit(5) in which packages and administrators put units. */
const unitFolders = [
  'etc/systemd/system',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
];

/** Whether tsbridge.socket is enabled: `systemctl enable` makes links in folders of the units that want it. */
export async function readSocketUnit(root = '/'): Promise<FactParts['socketUnit']> {
  const files = unitFolders.map((folder) => `${root}/${folder}`);
  const known = await Promise.all(files.map((folder) => isThere(`${folder}/${unit}`)));
  // Without systemd as the first process, the unit says nothing of how the daemon is started.
  if (!known.includes(true) || !(await isThere(`${root}/run/systemd/system`))) {
    return 'not installed';
  }
  const names = await Promise.all(files.map(namesIn));
  const wants = names.flatMap((all, at) =>
    all.filter((name) => /\.(wants|requires)$/.test(name)).map((name) => `${files[at]}/${name}`),
  );
  const linked = await Promise.all(wants.map(namesIn));
  return linked.some((all) => all.includes(unit)) ? 'enabled' : 'disabled';
}
