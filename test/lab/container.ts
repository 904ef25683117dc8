/**
 * The containers of the tests: all of the one image, sleeping or serving.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IMAGE } from './engine.js';
import { PROBE_MOUNTS, serveCommand } from './traffic.js';

export interface RunContainer {
  name?: string;
  network?: string;
  /** Values of `-p`. */
  publish?: readonly string[];
  /** Ports the container listens on, `tcp/80`, `udp/53`: it then answers {@link Lab.ask}. */
  serve?: readonly string[];
  /** More arguments of `docker run`. */
  args?: readonly string[];
  /** The container's command, unless it serves; it sleeps if there is none. */
  command?: readonly string[];
}

/** The arguments of `docker run` for it. */
export function runArguments(container: RunContainer): string[] {
  const { name, network, publish = [], serve = [], args = [], command = [] } = container;
  return [
    'run',
    '-d',
    // Programs that are PID 1 ignore SIGTERM: without this every stop would take 10 s.
    '--stop-signal=KILL',
    ...(name === undefined ? [] : ['--name', name, '--hostname', name]),
    ...(network === undefined ? [] : ['--network', network]),
    ...publish.flatMap((port) => ['-p', port]),
    ...PROBE_MOUNTS,
    ...args,
    IMAGE,
    ...(serve.length > 0 ? serveCommand(serve) : command),
  ];
}

/** The part of `docker inspect` that tests need. */
export interface Inspected {
  Id: string;
  Args: string[];
  State: { Pid: number; Running: boolean; StartedAt: string };
  NetworkSettings: {
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
    Networks: Record<
      string,
      { IPAddress: string; GlobalIPv6Address: string; MacAddress: string; Gateway: string }
    >;
  };
}

/** What listens in a network namespace, as `tcp/80`; `folder` is the /proc/PID/net of it. */
export function listeners(folder: string): Set<string> {
  const found = new Set<string>();
  for (const file of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const proto = file.slice(0, 3);
    // TCP_LISTEN, and for UDP TCP_CLOSE: bound and not connected.
    const wanted = proto === 'tcp' ? '0A' : '07';
    for (const line of read(join(folder, file)).split('\n').slice(1)) {
      const [, local = '', , state] = line.trim().split(/\s+/);
      const port = local.split(':')[1];
      if (state === wanted && port !== undefined)
        found.add(`${proto}/${Number.parseInt(port, 16)}`);
    }
  }
  return found;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
