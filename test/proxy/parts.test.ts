/** Parts of the proxy process that have an idea of their own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PacketInfo } from '../../src/proxy/process/system/packet-info.js';
import { addressKey, socketAddress } from '../../src/proxy/process/system/socket-address.js';
import { layouts } from '../../src/proxy/process/system/system-calls.js';
import { makeBinding } from '../golden/golden.js';

t.test('events are of the descriptor that is open now; a watcher may ask for another turn', (t) => {
  const main = fileURLToPath(new URL('../process/loop-main.ts', import.meta.url));
  const { stdout } = spawnSync(process.execPath, ['--import=tsx', main], { encoding: 'utf8' });
  const { called } = JSON.parse(stdout) as { called: string[] };
  t.same(called, ['first', 'Error: of one watcher', 'again 2', 'again 1', 'again 0']);
  t.end();
});

t.test('the control message of an answer names the address that was asked', (t) => {
  const info = new PacketInfo(layouts());
  const header = layouts().control.size;
  const message = (...bytes: readonly number[]): Buffer => {
    const controls = Buffer.alloc(128);
    // The second of two: `struct cmsghdr` is passed on as it is.
    controls.fill(7, 64, 64 + header);
    Buffer.from(bytes).copy(controls, 64 + header);
    return controls;
  };
  const spec = [192, 0, 2, 1];
  const ipv4 = message(3, 0, 0, 0, ...spec, 192, 0, 2, 255);
  const reply = info.toReplyWith(ipv4, 64, header + 12, 4);
  t.same([...reply.subarray(header, header + 8)], [0, 0, 0, 0, ...spec], 'not the interface');
  t.equal(reply.length % 8, 0);
  t.ok(info.isReplyTo(reply, ipv4, 64, 4));
  t.notOk(info.isReplyTo(reply, message(3, 0, 0, 0, 192, 0, 2, 9), 64, 4));
  const own = [0xfd, ...Array(14).fill(0), 1];
  const ipv6 = message(...own, 3, 0, 0, 0);
  const reply6 = info.toReplyWith(ipv6, 64, header + 20, 6);
  t.same([...reply6.subarray(header, header + 20)], [...own, 0, 0, 0, 0]);
  t.ok(info.isReplyTo(reply6, ipv6, 64, 6));
  t.notOk(info.isReplyTo(reply6, message(...own.toReversed()), 64, 6));
  const multicast = message(0xff, 2, ...Array(13).fill(0), 1, 3, 0, 0, 0);
  t.equal(info.toReplyWith(multicast, 64, header + 20, 6).length, 0, 'nobody sends from that');
  t.equal(info.toReplyWith(ipv4, 64, 0, 4).length, 0, 'the kernel has said nothing');
  t.ok(info.isReplyTo(Buffer.alloc(0), ipv4, 64, 4));
  t.end();
});

t.test('senders of datagrams are told apart by address and port', (t) => {
  const key = (host: string) => {
    const { hostIp, hostPort } = makeBinding(host, '127.0.0.1:1');
    return addressKey(Buffer.from(socketAddress(hostIp, hostPort)), 0, host[0] === '[' ? 6 : 4);
  };
  const hosts = [
    '192.0.2.1:80',
    '192.0.2.1:81',
    '192.0.2.2:80',
    '[::1]:80',
    '[::2]:80',
    '[::1]:81',
  ];
  t.equal(new Set(hosts.map(key)).size, hosts.length);
  t.equal(key('255.255.255.255:65535'), 2 ** 48 - 1);
  t.end();
});
