/** Whether a program in the container takes what comes to a published port. */
import t from 'tap';
import { listening } from '../../src/cli/inventory/view.js';
import type { OpenSocket } from '../../src/codec/proc-net.js';
import type { IpAddress } from '../../src/core/address.js';
import type { InventoryPort } from '../../src/operator/inventory/inventory.js';

const port = (hostIp: string, hostPort: number): InventoryPort => ({
  ...{ hostIp, hostPort, by: 'docker', containerIp: '172.20.0.2', containerPort: 80 },
  protocol: 'tcp',
  path: 'dnat',
  since: null,
});

t.test('who listens inside', async (t) => {
  const asked = port('0.0.0.0', 80);
  const at = (...addresses: string[]) => {
    const sockets = addresses.map(
      (address, index): OpenSocket => ({
        protocol: 'tcp',
        address: address as IpAddress,
        port: 80,
        inode: String(index),
      }),
    );
    const programOf = () => ({ pid: 7, name: 'nginx' });
    return listening({ sockets, interfaces: new Map(), programOf }, asked);
  };
  t.match(at('0.0.0.0'), { state: 'yes', program: { name: 'nginx' } });
  t.match(at('::'), { state: 'yes' });
  t.match(at('172.20.0.2'), { state: 'yes' });
  t.match(at('::ffff:172.20.0.2'), { state: 'yes' });
  t.match(at('127.0.0.1'), { state: 'loopback', on: [{ address: '127.0.0.1', port: 80 }] });
  t.match(at('::1', '127.0.0.1'), { state: 'loopback' });
  t.match(at('172.21.0.9'), { state: 'other-address' });
  t.match(at(), { state: 'no', program: null });
  t.match(listening(undefined, asked), { state: 'unknown' });
});
