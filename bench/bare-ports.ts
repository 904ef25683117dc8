/** The rows of one port, and of a container with a thousand beside netavark. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BareCalls, firstMapped, mappedNetwork, portMap } from './bare-calls.js';
import type { BareRow } from './bare-names.js';
import { type Figure, figure } from './figure.js';
import { median, percentile, timed } from './measure.js';
import { measureNetavark, type NetavarkTimes, netavarkVersion } from './netavark.js';

const firstPort = 20_000;
const firstMappedPort = 40_000;
const times = 300;
const rounds = 3;

/** As of a container that does nothing else. @param during how long the calls of its work took, by method */
export async function onePort(
  calls: BareCalls,
  during: (work: () => Promise<void>) => Promise<ReadonlyMap<string, readonly number[]>>,
): Promise<Figure[]> {
  await calls.createEndpoint(0);
  const took = await during(async () => {
    for (let time = 0; time < times; time += 1) {
      await calls.publish(0, portMap(firstPort, 1, ''));
      await calls.revoke(0);
      await sleep(10);
    }
  });
  await calls.removeEndpoint(0);
  const publishing = took.get('ProgramExternalConnectivity') ?? [];
  const note = `${publishing.length} calls`;
  const row = (name: BareRow, share: number): Figure =>
    figure({ row: name, unit: 'ms', tsbridge: percentile(publishing, share), note });
  return [row('publish one port, idle: p50', 0.5), row('publish one port, idle: p99', 0.99)];
}

/** All calls for one container, from the client's side, in turn with netavark's two commands. */
export async function containerBeside(
  netavark: readonly string[],
  calls: BareCalls,
): Promise<Figure[]> {
  const count = 1_000;
  const theirs: NetavarkTimes[] = [];
  const ours: NetavarkTimes[] = [];
  for (let round = 0; round < rounds; round += 1) {
    theirs.push(await measureNetavark(netavark, firstPort, count));
    const setup = await timed(async () => {
      await calls.createEndpoint(0);
      await calls.publish(0, portMap(firstPort, count, ''));
    });
    // As a container that lives for some time.
    await sleep(1_000);
    const teardown = await timed(async () => {
      await calls.revoke(0);
      await calls.removeEndpoint(0);
    });
    ours.push({ setup, teardown });
  }
  const row = (name: BareRow, of: (each: NetavarkTimes) => number): Figure => {
    const [builtIn, tsbridge] = [median(theirs.map(of)), median(ours.map(of))];
    const note = `netavark ${netavarkVersion}, nftables`;
    return figure({ row: name, unit: 'ms', builtIn, tsbridge, note });
  };
  return [
    row('container with 1000 ports: set up, beside netavark', ({ setup }) => setup),
    row('container with 1000 ports: tear down, beside netavark', ({ teardown }) => teardown),
  ];
}

/** Ports of so many endpoints of a network whose ports are in a map. */
export async function publishMapped(calls: BareCalls, size: number, each: number): Promise<void> {
  await calls.createNetwork(mappedNetwork);
  for (let number = 0; number < size; number += 1) {
    await calls.createEndpoint(firstMapped + number);
    await calls.publish(firstMapped + number, portMap(firstMappedPort + each * number, each));
  }
}
