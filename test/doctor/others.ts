/** Faults of what others do with interfaces and addresses of networks, on the host of `host.ts`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Fault } from './faults.js';
import { commands } from './host.js';

/** Files of a program about interfaces, in a /run of this mount namespace. */
function coverRun(folder: string, texts: Readonly<Record<string, string>>): void {
  commands('mount -t tmpfs tmpfs /run');
  mkdirSync(`/run/${folder}`, { recursive: true });
  for (const [name, text] of Object.entries(texts)) {
    const index = readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8').trim();
    writeFileSync(`/run/${folder}/${index}`, text);
  }
}

export const faultsOfOthers: readonly Fault[] = [
  {
    ...{ code: 'managed-by-networkd', says: /says of br-1: configured/ },
    make: () =>
      coverRun('systemd/netif/links', { 'br-1': 'ADMIN_STATE=configured\nOPER_STATE=routable\n' }),
    undo: ['umount /run'],
  },
  {
    ...{ code: 'managed-by-networkmanager', says: /says of v1: managed/ },
    make: () =>
      coverRun('NetworkManager/devices', {
        v1: '[device]\nmanaged=true\n',
        'br-1': '[device]\nnm-owned=false\n',
      }),
    undo: ['umount /run'],
  },
  {
    code: 'address-used-twice',
    says: /172\.20\.0\.2 of \S+ .* is at 02:00:00:00:00:09 on br-1/,
    make: ['ip neighbour replace 172.20.0.2 lladdr 02:00:00:00:00:09 dev br-1 nud permanent'],
    undo: ['ip neighbour del 172.20.0.2 dev br-1'],
  },
];
