/** Faults of what becomes of packets past the rules, and of other programs on the host of `host.ts`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { run } from '../process/netns.js';
import type { Fault } from './faults.js';
import { commands, type DoctorHost } from './host.js';

/** A program that the kernel calls dockerd, with arguments of the engine's. */
export class PlayedEngine {
  #child: ChildProcess | undefined;

  constructor(private readonly folder: string) {}

  async start(...args: readonly string[]): Promise<void> {
    const file = join(this.folder, 'dockerd');
    writeFileSync(file, '#!/bin/sh\necho ready\nread line\n');
    chmodSync(file, 0o755);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    await once(child.stdout, 'data');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
  }
}

/** The kernel tracks a flow to port 8080 of this host to an address that no container has. */
async function makeStaleFlow(): Promise<void> {
  const rule = '-p udp -d 192.0.2.1 --dport 8080 -j DNAT --to-destination 172.20.0.99:80';
  commands(`iptables -t nat -A OUTPUT ${rule}`);
  const socket = createSocket('udp4');
  await new Promise((done) => socket.send('x', 8080, '192.0.2.1', done));
  socket.close();
  commands(`iptables -t nat -D OUTPUT ${rule}`);
}

export function faultsOfServing(host: DoctorHost): readonly Fault[] {
  const engine = new PlayedEngine(host.folder);
  const restore = () => host.writeRecords();
  const local = createServer();
  const limit = (files: number) =>
    commands(`prlimit --pid ${host.portsProcess} --nofile=${files}:`);
  return [
    {
      ...{ code: 'engine-settings-differ', says: /userland-proxy: dockerd has false/ },
      make: () => engine.start('--live-restore', '--userland-proxy=false'),
      undo: () => engine.stop(),
    },
    {
      code: 'engine-stops-containers',
      make: () => engine.start(),
      undo: () => engine.stop(),
    },
    {
      ...{ code: 'pools-nearly-empty', says: /^0 subnets are left of 172\.20\.0\.0\/15 by \/16$/ },
      make: () =>
        engine.start('--live-restore', '--default-address-pool=base=172.20.0.0/15,size=16'),
      undo: () => engine.stop(),
    },
    {
      ...{ code: 'nobody-listens', says: /nothing listens at port 80\/tcp/ },
      make: () => host.writeRecords({ sandbox: '/proc/self/ns/net' }),
      undo: restore,
    },
    {
      ...{ code: 'listens-elsewhere', says: /programs listen on 127\.0\.0\.1 at port 80\/tcp/ },
      make: async () => {
        host.writeRecords({ sandbox: '/proc/self/ns/net' });
        await once(local.listen(80, '127.0.0.1'), 'listening');
      },
      undo: async () => {
        await new Promise((done) => local.close(done));
        host.writeRecords();
      },
    },
    {
      ...{
        code: 'stale-udp-flow',
        says: /packets of 192\.0\.2\.1 to 0\.0\.0\.0:8080\/udp go to 172\.20\.0\.99/,
      },
      make: async () => {
        host.writeRecords({ protocol: 'udp' });
        await makeStaleFlow();
      },
      // The command that the finding has.
      undo: () => {
        const words = '-D -f ipv4 -p udp --orig-port-dst 8080 --reply-src 172.20.0.99';
        run('conntrack', words.split(' '));
        host.writeRecords();
      },
    },
    {
      ...{ code: 'proxy-hides-clients', says: /^\[::\]:8080\/tcp of c0ff/ },
      make: () => host.writeRecords({ hostIp: '::' }),
      undo: restore,
    },
    {
      ...{ code: 'proxy-files-nearly-used', says: /of 20 files open/ },
      make: () => limit(20),
      undo: () => limit(1024),
    },
    {
      code: 'trace-left',
      make: () => {
        const set = 'set alive { type nf_proto; flags timeout; }';
        run('nft', ['-f', '-'], `table inet tsbridge-trace-7 { ${set}; }`);
      },
      undo: ['nft delete table inet tsbridge-trace-7'],
    },
    {
      ...{ code: 'kubernetes-present', says: /KUBE-FORWARD/ },
      make: ['iptables -N KUBE-FORWARD'],
      undo: ['iptables -X KUBE-FORWARD'],
    },
    {
      ...{ code: 'bridge-nf-call-others', says: /from virbr0 to virbr0/ },
      make: ['ip link add virbr0 type bridge', 'ip link add tap0 master virbr0 type veth'],
      undo: ['ip link delete tap0', 'ip link delete virbr0'],
    },
  ];
}
