/** Checks of what can be full: tables of the kernel, and the disk with the records. */
import { check, shell, wholeHost } from '../check.js';
import type { Conntrack, Disk, Neighbours } from '../facts.js';

const nearly = 0.8;
const full = 0.98;
const megabyte = 1024 * 1024;

const conntrackFound = ({ entries, most, dropped }: Conntrack) => [
  {
    object: wholeHost,
    evidence: `${entries} of ${most} entries; ${dropped} packets found no place since the host was started`,
    command: `sysctl -w net.netfilter.nf_conntrack_max=${most * 2}`,
  },
];

const neighboursFound = ({ family, entries, most, refused }: Neighbours) => ({
  object: `IPv${family}`,
  evidence: `${entries} of ${most} neighbours; ${refused} times there was no place since the host was started`,
  command: `sysctl -w net.ipv${family}.neigh.default.gc_thresh3=${most * 2}`,
});

const diskFound = ({ folder, freeBytes }: Disk) => [
  {
    object: folder,
    evidence: `${Math.floor(freeBytes / megabyte)} MiB are free in ${folder}`,
    command: shell`du -xsh ${folder}`,
  },
];

const share = (count: number, most: number): number => (most > 0 ? count / most : 0);
const isFull = ({ freeBytes }: Disk): boolean => freeBytes < megabyte;

export const capacityChecks = [
  check({
    code: 'conntrack-full',
    severity: 'error',
    detects: 'Connection tracking has 98 % of the entries that it may have.',
    means: 'The kernel drops the first packets of new connections, of the host’s own, too.',
    remedy:
      'The command doubles the limit until the next start; an entry takes about 300 bytes. `conntrack -L` shows who has so many.',
    hides: ['conntrack-nearly-full'],
    needs: ['conntrack'],
    find: ({ conntrack }) =>
      share(conntrack.entries, conntrack.most) >= full ? conntrackFound(conntrack) : [],
  }),
  check({
    code: 'conntrack-nearly-full',
    severity: 'warning',
    detects: 'Connection tracking has 80 % of the entries that it may have.',
    means: 'When it is full, new connections are dropped.',
    remedy: 'The command doubles the limit until the next start; an entry takes about 300 bytes.',
    needs: ['conntrack'],
    find: ({ conntrack }) =>
      share(conntrack.entries, conntrack.most) >= nearly ? conntrackFound(conntrack) : [],
  }),
  check({
    code: 'neighbours-full',
    severity: 'error',
    detects:
      'The table of neighbours (ARP, NDP) has 98 % of the entries that it may have (gc_thresh3).',
    means: 'Containers whose entry finds no place get no answers, at random.',
    remedy:
      'The command doubles the limit until the next start; raise gc_thresh1 and gc_thresh2 with it.',
    hides: ['neighbours-nearly-full'],
    needs: ['neighbours'],
    find: ({ neighbours }) =>
      neighbours.filter(({ entries, most }) => share(entries, most) >= full).map(neighboursFound),
  }),
  check({
    code: 'neighbours-nearly-full',
    severity: 'warning',
    detects:
      'The table of neighbours (ARP, NDP) has 80 % of the entries that it may have (gc_thresh3).',
    means: 'When it is full, containers get no answers, at random.',
    remedy:
      'The command doubles the limit until the next start; raise gc_thresh1 and gc_thresh2 with it.',
    needs: ['neighbours'],
    find: ({ neighbours }) =>
      neighbours.filter(({ entries, most }) => share(entries, most) >= nearly).map(neighboursFound),
  }),
  check({
    code: 'disk-full',
    severity: 'error',
    detects: 'The file system of the state folder has less than 1 MiB left.',
    means: 'Records cannot be written: no network or container can be made.',
    remedy: 'Make room; the command says what the state folder itself takes, which is little.',
    hides: ['disk-nearly-full'],
    needs: ['disk'],
    find: ({ disk }) => (isFull(disk) ? diskFound(disk) : []),
  }),
  check({
    code: 'disk-nearly-full',
    severity: 'warning',
    detects: 'The file system of the state folder has less than 5 % and less than 100 MiB left.',
    means: 'When it is full, no network or container can be made.',
    remedy: 'Make room; the command says what the state folder itself takes, which is little.',
    needs: ['disk'],
    find: ({ disk }) =>
      disk.freeBytes < 100 * megabyte && share(disk.freeBytes, disk.totalBytes) < 0.05
        ? diskFound(disk)
        : [],
  }),
  check({
    code: 'state-in-memory',
    severity: 'warning',
    detects: 'The state folder lies in a file system that is lost when the host stops (tmpfs).',
    means: 'After a start of the host, the engine knows networks that tsbridge does not know.',
    remedy: 'Set --state-dir to a folder on a disk. The command shows where the folder lies.',
    needs: ['disk'],
    find: ({ disk }) =>
      disk.isMemory
        ? [
            {
              object: disk.folder,
              evidence: `${disk.folder} is on tmpfs`,
              command: shell`findmnt --target ${disk.folder}`,
            },
          ]
        : [],
  }),
];
