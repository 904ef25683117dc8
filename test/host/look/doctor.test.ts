/** Files that the doctor reads, in folders that are played. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  readConntrack,
  readDisk,
  readNeighbours,
  readSettingLines,
  readSettings,
  readUfwIsOn,
} from '../../../src/host/look/doctor/kernel.js';
import { readManagedLinks } from '../../../src/host/look/doctor/managers.js';
import { readProxyFiles, readSocketUnit } from '../../../src/host/look/doctor/processes.js';
import { hasSocket } from '../../../src/host/look/doctor/sockets.js';

t.test('settings, tables that are nearly full, and files of others', async (t) => {
  const stat = 'entries table_fulls\n000003e8 00000001\n000003e8 00000002\n';
  const proc = t.testdir({
    sys: {
      net: {
        ipv4: { ip_forward: '1\n', neigh: { default: { gc_thresh3: '1024\n' } } },
        netfilter: { nf_conntrack_count: '5\n', nf_conntrack_max: '10\n' },
      },
    },
    net: { stat: { arp_cache: stat, nf_conntrack: 'entries drop\n00000000 00000003\n' } },
    etc: {
      'sysctl.d': { '9.conf': 'net.ipv4.ip_forward = 0\n', README: 'net.ipv4.ip_forward = 7\n' },
      'ufw.conf': '# ENABLED=no\nENABLED=yes\n',
      'off.conf': 'ENABLED=no\n',
    },
  });
  const paths = ['net/ipv4/ip_forward', 'net/ipv4/none'];
  t.strictSame([...(await readSettings(paths, `${proc}/sys`))], [['net/ipv4/ip_forward', '1']]);
  t.strictSame(await readConntrack(proc), { entries: 5, most: 10, dropped: 3 });
  t.strictSame(await readConntrack('/nowhere'), { entries: 0, most: 0, dropped: 0 });
  t.strictSame(await readNeighbours(proc), [{ family: 4, most: 1024, entries: 1000, refused: 3 }]);
  const lines = await readSettingLines([join(proc, 'etc/sysctl.d'), '/nowhere'], ['/nowhere.conf']);
  t.match(lines, [{ path: 'net/ipv4/ip_forward', value: '0' }]);
  t.equal(lines.length, 1, 'only files that sysctl reads');
  t.equal(await readUfwIsOn(join(proc, 'etc/ufw.conf')), true);
  t.equal(await readUfwIsOn(join(proc, 'etc/off.conf')), false);
  t.equal(await readUfwIsOn('/nowhere'), false);
  t.match(await readDisk(proc), { folder: proc, totalBytes: Number });
  t.equal(await hasSocket(proc), false);
});

t.test('which interfaces other programs configure', async (t) => {
  const run = t.testdir({
    systemd: {
      netif: {
        links: {
          3: 'ADMIN_STATE=configured\n',
          4: 'ADMIN_STATE=unmanaged\n',
          5: 'ADMIN_STATE=pending\n',
        },
      },
    },
    NetworkManager: {
      devices: {
        3: '[device]\nmanaged=false\n',
        4: '[device]\nmanaged=true\n',
        5: '[device]\nnm-owned=false\n',
      },
    },
  });
  const indexes: Readonly<Record<string, number>> = { 'br-1': 3, veth1: 4, veth2: 5, veth3: 6 };
  const names = [...Object.keys(indexes), 'gone'];
  t.strictSame(await readManagedLinks(names, run, (name) => indexes[name]), [
    { name: 'br-1', manager: 'systemd-networkd', state: 'configured' },
    { name: 'veth1', manager: 'NetworkManager', state: 'managed' },
  ]);
  t.strictSame(await readManagedLinks(['lo'], '/nowhere'), []);
});

t.test('files of the proxy process, and whether systemd listens for it', async (t) => {
  const limits =
    'Limit    Soft Limit  Hard Limit  Units\nMax open files    1024    4096    files\n';
  const proc = t.testdir({ 7: { limits, fd: { 0: '', 1: '', 2: '' } }, 8: {} });
  t.strictSame(await readProxyFiles([7, 8, 9], proc), [{ pid: 7, open: 3, most: 1024 }]);
  const root = t.testdir({
    usr: { lib: { systemd: { system: { 'tsbridge.socket': '' } } } },
    etc: { systemd: { system: { 'sockets.target.wants': {}, 'other.service': '' } } },
    run: { systemd: {} },
  });
  t.equal(await readSocketUnit(root), 'not installed', 'systemd does not run here');
  await mkdir(join(root, 'run/systemd/system'));
  t.equal(await readSocketUnit(root), 'disabled');
  await writeFile(join(root, 'etc/systemd/system/sockets.target.wants/tsbridge.socket'), '');
  t.equal(await readSocketUnit(root), 'enabled');
  t.equal(await readSocketUnit('/nowhere'), 'not installed');
});
