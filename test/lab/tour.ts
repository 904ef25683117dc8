/** What a user of the driver does first, however it was installed: a network, a published port, two containers. */
import type { Test } from 'tap';
import { ADDRESSES, type Lab } from './lab.js';
import { until } from './process.js';

export interface Tour {
  /** As in `docker network create -d`. */
  readonly driver: string;
  /** Runs the command `tsbridge` where the daemon is. */
  readonly command: (...args: string[]) => Promise<string>;
  /** Ends the daemon and starts it again, as its user would; while the containers run. */
  readonly restart?: () => Promise<void>;
  /** More that is to hold while the containers run. */
  readonly meanwhile?: () => Promise<void>;
}

/** Leaves neither network nor container behind. */
export async function tour(t: Test, lab: Lab, given: Tour): Promise<void> {
  await until('the network driver', () =>
    lab.docker('network', 'create', '-d', given.driver, 'app').catch(() => undefined),
  );
  await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
  await lab.run({ name: 'client', network: 'app' });
  const fromLan = await lab.ask('lan', ADDRESSES.host, 8080);
  t.match(fromLan, { name: 'web', peer: ADDRESSES.lan }, 'another host is seen as itself');
  t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' }, 'the proxy process');
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' }, 'containers reach each other');
  // Its status is 0 only if nothing is degraded or has to be repaired.
  t.match(await given.command('status'), /state +serving/, 'nothing is degraded');
  await given.meanwhile?.();
  if (given.restart !== undefined) {
    await given.restart();
    await until('the published port, at 127.0.0.1', () =>
      lab.ask('host', '127.0.0.1', 8080).catch(() => undefined),
    );
  }
  await lab.docker('rm', '-f', 'web', 'client');
  await lab.docker('network', 'rm', 'app');
  await t.rejects(lab.ask('lan', ADDRESSES.host, 8080), 'the port is closed');
}

/** That what sees the host's files sees the network namespace of a container that started after it. */
export async function seesSandbox(
  t: Test,
  lab: Lab,
  inside: (...command: string[]) => Promise<string>,
): Promise<void> {
  const sandbox = await lab.docker('inspect', '-f', '{{.NetworkSettings.SandboxKey}}', 'web');
  const identity = ['stat', '-L', '-c', '%d:%i', sandbox];
  t.equal(
    (await inside(...identity)).trim(),
    (await lab.hostNs(...identity)).trim(),
    'it sees the network namespaces of containers that start after it',
  );
}
