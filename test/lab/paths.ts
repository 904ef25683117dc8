/**
 * Who asks whom in the data-path tests, and what a server sees of the one who asks: on a host with
 * a dual-stack network, a second one, and docker0 beside.
 */
import { ADDRESSES, type Lab } from './lab.js';
import type { Place } from './namespaces.js';
import { until } from './process.js';

/** What the server saw: whose address, or that the question never came there. */
export type Seen = 'lan' | 'host' | 'gateway' | 'docker0' | 'client' | 'web' | 'nobody' | string;

export interface Question {
  /** A place, or a container by its name. */
  readonly from: 'lan' | 'host' | 'web' | 'client' | 'other' | 'zero';
  readonly to: string;
  readonly port: number;
  readonly proto?: 'tcp' | 'udp';
}

const subnets = {
  app: ['10.6.0.0/24', 'fd00:6::/64'],
  back: ['10.7.0.0/24', 'fd00:7::/64'],
} as const;

export const web = '10.6.0.10';
export const web6 = 'fd00:6::10';
export const other = '10.7.0.10';
export const other6 = 'fd00:7::10';

/** Addresses by the name of whom they belong to, in both families. */
const owners: Readonly<Record<string, Seen>> = {
  [ADDRESSES.lan]: 'lan',
  [ADDRESSES.lan6]: 'lan',
  [ADDRESSES.host]: 'host',
  [ADDRESSES.host6]: 'host',
  '10.6.0.1': 'gateway',
  'fd00:6::1': 'gateway',
  '172.17.0.1': 'docker0',
  '10.6.0.11': 'client',
  'fd00:6::11': 'client',
  [web]: 'web',
  [web6]: 'web',
};

/** Containers of the one image that serve: `web` with all ports, one neighbour, two strangers. */
export async function populate(
  lab: Lab,
  driver: string,
  options: readonly string[] = [],
): Promise<void> {
  for (const [name, [four, six]] of Object.entries(subnets)) {
    const addresses = ['--subnet', four, '--ipv6', '--subnet', six];
    await lab.docker('network', 'create', '-d', driver, ...options, ...addresses, name);
  }
  const at = (ip: string, ip6: string): string[] => ['--ip', ip, '--ip6', ip6];
  await Promise.all([
    lab.run({
      name: 'web',
      network: 'app',
      publish: ['8080:80', '5353:53/udp', '127.0.0.1:8081:80'],
      serve: ['tcp/80', 'udp/53', 'tcp/81'],
      args: at(web, web6),
    }),
    lab.run({ name: 'client', network: 'app', args: at('10.6.0.11', 'fd00:6::11') }),
    lab.run({ name: 'other', network: 'back', serve: ['tcp/80'], args: at(other, other6) }),
    lab.run({ name: 'zero', publish: ['8090:80'], serve: ['tcp/80'] }),
  ]);
  // A proxy takes another address of the host for as long as the bridge's own is tentative.
  await until('duplicate address detection', async () =>
    (await lab.hostNs('ip', '-6', 'addr', 'show', 'tentative')) === '' ? true : undefined,
  );
}

/** Networks that let others reach container addresses, for engines from 28 on. */
const open = {
  routed: ['10.20.0.0/24', ['bridge.gateway_mode_ipv4', 'routed']],
  unprotected: ['10.21.0.0/24', ['bridge.gateway_mode_ipv4', 'nat-unprotected']],
  trusted: ['10.22.0.0/24', ['bridge.trusted_host_interfaces', 'eth0']],
} as const;

/** The container's address in the network of that name. */
export const inOpen = (name: keyof typeof open): string => open[name][0].replace('0/24', '10');

/** One container in each, with one published port and one that is not. */
export async function populateOpen(lab: Lab, driver: string): Promise<void> {
  for (const [name, [subnet, [label, value]]] of Object.entries(open)) {
    const option = ['-o', `com.docker.network.${label}=${value}`];
    await lab.docker('network', 'create', '-d', driver, '--subnet', subnet, ...option, name);
    await lab.lanNs('ip', 'route', 'add', subnet, 'via', ADDRESSES.host);
    const args = ['--ip', inOpen(name as keyof typeof open)];
    await lab.run({ name, network: name, publish: ['80'], serve: ['tcp/80', 'tcp/81'], args });
  }
}

export async function unpopulateOpen(lab: Lab): Promise<void> {
  const names = Object.keys(open);
  await lab.docker('rm', '-f', ...names);
  await lab.docker('network', 'rm', ...names);
}

export async function unpopulate(lab: Lab): Promise<void> {
  await lab.docker('rm', '-f', 'web', 'client', 'other', 'zero');
  await lab.docker('network', 'rm', 'app', 'back');
}

/** The other host routes container addresses, and 127.0.0.1, to the engine's host. */
export async function routeThroughHost(lab: Lab): Promise<void> {
  const script = `
for subnet in 10.6.0.0/24 10.7.0.0/24 172.17.0.0/16; do ip route add $subnet via ${ADDRESSES.host}; done
for subnet in fd00:6::/64 fd00:7::/64; do ip -6 route add $subnet via ${ADDRESSES.host6}; done
for name in /proc/sys/net/ipv4/conf/*; do 
  echo 1 >$name/route_localnet; echo 1 >$name/accept_local; echo 0 >$name/rp_filter
done
ip route del local 127.0.0.1 dev lo table local
ip route del local 127.0.0.0/8 dev lo table local
ip route add 127.0.0.1/32 via ${ADDRESSES.host} src ${ADDRESSES.lan}`;
  await lab.lanNs('sh', '-ec', script);
}

/** How often a question is asked that somebody should answer: a new address takes its time. */
const ATTEMPTS = 4;

/** Asks one question after the other; what is not answered takes 700 ms. */
export class Asker {
  readonly #places = new Map<string, Place>([
    ['lan', 'lan'],
    ['host', 'host'],
  ]);

  constructor(private readonly lab: Lab) {}

  /** As {@link ask}, again if nobody answers. */
  async askUntilAnswered(question: Question): Promise<Seen> {
    for (let attempt = 1; ; attempt += 1) {
      const seen = await this.ask(question);
      if (seen !== 'nobody' || attempt === ATTEMPTS) return seen;
    }
  }

  async ask({ from, to, port, proto = 'tcp' }: Question): Promise<Seen> {
    const place = this.#places.get(from) ?? (await this.lab.container(from));
    this.#places.set(from, place);
    try {
      const answer = await this.lab.ask(place, to, port, { proto, timeoutMs: 700 });
      return owners[answer.peer] ?? answer.peer;
    } catch {
      return 'nobody';
    }
  }
}
