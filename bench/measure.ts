/** Timing of engine operations, as the engine's client sees them. Milliseconds throughout. */
import type { Lab } from '../test/lab/lab.js';

/** A row of the comparison. `run` returns how long the measured part took, and leaves nothing. */
export interface Row {
  readonly name: string;
  readonly run: (lab: Lab, driver: string) => Promise<number>;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

let counter = 0;
const unique = (prefix: string): string => {
  counter += 1;
  return `${prefix}${counter}`;
};

const createNetwork = (lab: Lab, driver: string, name: string) =>
  lab.api('POST', '/networks/create', { Name: name, Driver: driver, CheckDuplicate: true });
const removeNetwork = (lab: Lab, name: string) => lab.api('DELETE', `/networks/${name}`);
const removeContainer = (lab: Lab, name: string) =>
  lab.api('DELETE', `/containers/${name}?force=true`);

/** `ports` TCP ports from 20000 on, the same number inside. */
async function createContainer(
  lab: Lab,
  name: string,
  network: string,
  ports: number,
): Promise<void> {
  const numbers = Array.from({ length: ports }, (_, index) => 20_000 + index);
  await lab.api('POST', `/containers/create?name=${name}`, {
    Image: 'busybox',
    Cmd: ['sleep', '3600'],
    StopSignal: 'SIGKILL',
    ExposedPorts: Object.fromEntries(numbers.map((port) => [`${port}/tcp`, {}])),
    HostConfig: {
      NetworkMode: network,
      PortBindings: Object.fromEntries(
        numbers.map((port) => [`${port}/tcp`, [{ HostPort: String(port) }]]),
      ),
    },
  });
}

async function onNetwork<T>(
  lab: Lab,
  driver: string,
  work: (network: string) => Promise<T>,
): Promise<T> {
  const name = unique('bench-n');
  await createNetwork(lab, driver, name);
  try {
    return await work(name);
  } finally {
    await removeNetwork(lab, name);
  }
}

async function onContainer(
  lab: Lab,
  driver: string,
  ports: number,
  work: (container: string, network: string) => Promise<number>,
): Promise<number> {
  return onNetwork(lab, driver, async (network) => {
    const name = unique('bench-c');
    await createContainer(lab, name, network, ports);
    try {
      return await work(name, network);
    } finally {
      await removeContainer(lab, name).catch(() => undefined);
    }
  });
}

const start = (lab: Lab, name: string) => lab.api('POST', `/containers/${name}/start`);

const networkRow = (name: string, phase: 'create' | 'remove'): Row => ({
  name,
  run: async (lab, driver) => {
    const network = unique('bench-n');
    const created = await timed(() => createNetwork(lab, driver, network));
    const removed = await timed(() => removeNetwork(lab, network));
    return phase === 'create' ? created : removed;
  },
});

const connectRow = (name: string, phase: 'connect' | 'disconnect'): Row => ({
  name,
  run: (lab, driver) =>
    onContainer(lab, driver, 0, async (container) => {
      await start(lab, container);
      return onNetwork(lab, driver, async (second) => {
        const body = { Container: container };
        const connected = await timed(() => lab.api('POST', `/networks/${second}/connect`, body));
        const left = await timed(() => lab.api('POST', `/networks/${second}/disconnect`, body));
        return phase === 'connect' ? connected : left;
      });
    }),
});

export function startRow(ports: number): Row {
  return {
    name: `start, ${ports} ports`,
    run: (lab, driver) =>
      onContainer(lab, driver, ports, (container) => timed(() => start(lab, container))),
  };
}

export function removeRow(ports: number): Row {
  return {
    name: `remove, ${ports} ports`,
    run: (lab, driver) =>
      onContainer(lab, driver, ports, async (container) => {
        await start(lab, container);
        return timed(() => removeContainer(lab, container));
      }),
  };
}

export const basicRows: readonly Row[] = [
  networkRow('network create', 'create'),
  networkRow('network rm', 'remove'),
  connectRow('network connect', 'connect'),
  connectRow('network disconnect', 'disconnect'),
];
