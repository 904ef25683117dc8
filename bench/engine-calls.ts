/** Requests to the engine's API, as its own client would send them. */
import type { Lab } from '../test/lab/lab.js';

let counter = 0;
const unique = (prefix: string): string => {
  counter += 1;
  return `${prefix}${counter}`;
};

/** Of a driver: the row is measured once with each. */
export type Driver = 'bridge' | 'tsbridge';
/** The drivers, and the plugin of floor-plugin.c, which only floor.ts starts. */
export type AnyDriver = Driver | 'floor';

export const createNetwork = (lab: Lab, driver: AnyDriver, name: string) =>
  lab.api('POST', '/networks/create', { Name: name, Driver: driver, CheckDuplicate: true });
export const removeNetwork = (lab: Lab, name: string) => lab.api('DELETE', `/networks/${name}`);
export const startContainer = (lab: Lab, name: string) =>
  lab.api('POST', `/containers/${name}/start`);
export const removeContainer = (lab: Lab, name: string) =>
  lab.api('DELETE', `/containers/${name}?force=true`);

/** `ports` TCP ports from `first` on, the same number inside. */
export async function createContainer(
  lab: Lab,
  network: string,
  ports: number,
  first = 20_000,
): Promise<string> {
  const name = unique('bench-c');
  const numbers = Array.from({ length: ports }, (_, index) => first + index);
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
  return name;
}

/** A network for the time of `work`. */
export async function onNetwork<T>(
  lab: Lab,
  driver: AnyDriver,
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
