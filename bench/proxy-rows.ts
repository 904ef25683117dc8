/** Our proxy beside docker-proxy: 127.0.0.1 into a container, on one engine and in one run. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../test/lab/lab.js';
import { NODE, until } from '../test/lab/process.js';
import { PROBE_MOUNTS } from '../test/lab/traffic.js';
import { type Driver, onNetwork } from './engine-calls.js';
import type { EngineHost } from './engine-rows.js';
import { type Figure, figure } from './figure.js';
import { callsIn } from './handler-times.js';
import { median, percentile } from './measure.js';

const script = '/opt/tsbridge/bench/traffic.mjs';

export const proxyRows = {
  throughput: 'proxy: TCP throughput',
  connections: 'proxy: new connections',
  datagrams: 'proxy: UDP packets',
  calls: '10 GB through the proxy: p99 of all calls',
  publishing: '10 GB through the proxy: p99 of publishing a port',
} as const;

/** A container for each driver, each with the same three ports on host ports of its own. */
async function withServers<T>(lab: Lab, work: (base: Record<Driver, number>) => Promise<T>) {
  const base = { bridge: 10_000, tsbridge: 11_000 };
  const inside = (driver: Driver, rest: () => Promise<T>): Promise<T> =>
    onNetwork(lab, driver, async (network) => {
      const name = `bench-traffic-${driver}`;
      const publish = [1, 2, 3].map(
        (n) => `${base[driver] + n}:900${n}/${n === 3 ? 'udp' : 'tcp'}`,
      );
      await lab.docker(
        ...['run', '-d', '--stop-signal=KILL', '--name', name, '--network', network],
        ...publish.flatMap((port) => ['-p', port]),
        ...[...PROBE_MOUNTS, 'busybox', '/usr/bin/node', script, 'serve'],
      );
      try {
        const ready = async () => (await lab.docker('logs', name)).includes('ready') || undefined;
        await until(`${name} to serve`, ready);
        return await rest();
      } finally {
        await lab.docker('rm', '-f', name);
      }
    });
  return inside('bridge', () => inside('tsbridge', () => work(base)));
}

export async function measureProxy(
  { lab, daemon }: EngineHost,
  { rounds, gigabytes }: { readonly rounds: number; readonly gigabytes: number },
  wanted: (row: string) => boolean,
): Promise<Figure[]> {
  const ask = async (what: string, port: number, amount: number): Promise<number> =>
    Number(
      await lab.exec([...NODE, script, what, '127.0.0.1', String(port), String(amount)], 'host', {
        timeoutMs: 300_000,
      }),
    );
  return withServers(lab, async (base) => {
    const figures: Figure[] = [];
    const compare = async (
      row: string,
      unit: 'MB/s' | '/s',
      what: string,
      port: number,
      amount: number,
    ): Promise<void> => {
      if (!wanted(row)) return;
      const found: Record<Driver, number[]> = { bridge: [], tsbridge: [] };
      for (let round = 0; round <= rounds; round += 1) {
        for (const driver of ['bridge', 'tsbridge'] as const) {
          const value = await ask(what, base[driver] + port, amount);
          if (round > 0 || rounds === 0) found[driver].push(value);
        }
      }
      const [builtIn, tsbridge] = [median(found.bridge), median(found.tsbridge)];
      figures.push(figure({ row, unit, builtIn, tsbridge }));
    };
    await compare(proxyRows.throughput, 'MB/s', 'stream', 1, 2_000);
    await compare(proxyRows.connections, '/s', 'connect', 2, 2);
    await compare(proxyRows.datagrams, '/s', 'datagrams', 3, 2);
    if (!wanted(proxyRows.calls) && !wanted(proxyRows.publishing)) return figures;

    const before = daemon.process.lines.length;
    let transferred = false;
    const transfer = ask('stream', base.tsbridge + 1, gigabytes * 1_000).finally(() => {
      transferred = true;
    });
    await publishMeanwhile(daemon.call.bind(daemon), () => transferred);
    const rate = await transfer;
    await sleep(50);
    const calls = callsIn(daemon.process.lines.slice(before));
    const publishing = calls.filter(({ method }) => method === 'ProgramExternalConnectivity');
    for (const [row, some] of [
      [proxyRows.calls, calls],
      [proxyRows.publishing, publishing],
    ] as const) {
      const times = some.map(({ durationMs }) => durationMs);
      const note = `${times.length} calls during ${gigabytes} GB at ${rate.toFixed(0)} MB/s`;
      figures.push(figure({ row, unit: 'ms', tsbridge: percentile(times, 0.99), note }));
    }
    return figures.filter(({ row }) => wanted(row));
  });
}

/** An endpoint of ours whose port comes and goes until `done`, and questions about it. */
async function publishMeanwhile(
  call: (method: string, body: unknown) => Promise<unknown>,
  done: () => boolean,
): Promise<void> {
  const NetworkID = 'be'.repeat(32);
  const ids = { NetworkID, EndpointID: 'bf'.repeat(32) };
  const pool = { AddressSpace: 'LocalDefault', Pool: '10.250.0.0/24', Gateway: '10.250.0.1/24' };
  const post = (method: string, body: object) => call(`NetworkDriver.${method}`, body);
  await post('CreateNetwork', {
    NetworkID,
    Options: { 'com.docker.network.generic': {} },
    IPv4Data: [pool],
    IPv6Data: [],
  });
  const Interface = { Address: '10.250.0.2/24' };
  await post('CreateEndpoint', { ...ids, Interface, Options: {} });
  await post('Join', { ...ids, SandboxKey: '/nowhere' });
  const port = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 12_000, HostPortEnd: 12_000 };
  const Options = { 'com.docker.network.portmap': [port] };
  while (!done()) {
    await post('ProgramExternalConnectivity', { ...ids, Options });
    for (let times = 0; times < 5; times += 1) await post('EndpointOperInfo', ids);
    await post('RevokeExternalConnectivity', ids);
    await sleep(20);
  }
  await post('Leave', ids);
  await post('DeleteEndpoint', ids);
  await post('DeleteNetwork', { NetworkID });
}
