/**
 * Several labs as hosts beside each other: a link between two of them, a switch for all, and FRR on each, started as
 * Debian starts it, with what `tsbridge frr-config` prints.
 *
 * ```
 *   one ── link1 ── plain ── link2 ── two      router between them: each link has two ends
 *   one, two, plain ── lan0 ── a switch in plain's second namespace
 * ```
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.js';
import { LabProcess, run, until } from './process.js';

/** A veth pair between two hosts, up at both ends. */
export async function link(
  [one, oneName]: readonly [Lab, string],
  [two, twoName]: readonly [Lab, string],
): Promise<void> {
  const peer = ['peer', 'name', twoName, 'netns', String(two.namespaces.init)];
  await at(one, 'ip', 'link', 'add', oneName, 'type', 'veth', ...peer);
  await at(one, 'ip', 'link', 'set', oneName, 'up');
  await at(two, 'ip', 'link', 'set', twoName, 'up');
}

/** A command with the machine's files: only there the numbers of processes in other labs mean anything. */
const at = (lab: Lab, ...command: string[]): Promise<string> =>
  run(['nsenter', `--net=${lab.namespaces.netns('host')}`, '--', ...command]);

/** Connects `lan0` of each host, with the given address, to a switch in the second namespace of the first one. */
export async function connectToSwitch(hosts: readonly (readonly [Lab, string])[]): Promise<void> {
  const [[keeper] = []] = hosts;
  if (keeper === undefined) return;
  const inSwitch = (...command: string[]) =>
    run(['nsenter', `--net=${keeper.namespaces.netns('lan')}`, '--', ...command]);
  await inSwitch('ip', 'link', 'add', 'switch0', 'type', 'bridge');
  await inSwitch('ip', 'link', 'set', 'switch0', 'up');
  for (const [index, [lab, address]] of hosts.entries()) {
    const peer = ['peer', 'name', 'lan0', 'netns', String(lab.namespaces.init)];
    await inSwitch('ip', 'link', 'add', `to${index}`, 'type', 'veth', ...peer);
    await inSwitch('ip', 'link', 'set', `to${index}`, 'master', 'switch0', 'up');
    await lab.hostNs('ip', 'addr', 'add', address, 'dev', 'lan0');
    await lab.hostNs('ip', 'link', 'set', 'lan0', 'up');
  }
}

export type RoutingDaemon = 'bgpd' | 'ospfd';

/** Starts FRR of a `…-frr` suite with one of its routing daemons; its watchfrr starts anew what dies. */
export async function startFrr(lab: Lab, daemon: RoutingDaemon, config: string): Promise<void> {
  writeFileSync(lab.path('/etc/frr/frr.conf'), config);
  const script = `
sed -i -e 's/^\\(bgpd\\|ospfd\\)=yes/\\1=no/' -e 's/^${daemon}=no/${daemon}=yes/' /etc/frr/daemons
mkdir -p /run/frr && chown -R frr:frr /run/frr /etc/frr
/usr/lib/frr/frrinit.sh start >/var/log/frr-start.log 2>&1`;
  // Not on a pipe of ours: daemons of FRR 10 keep what they were started with open.
  await lab.hostNs('sh', '-ec', script);
}

export async function stopFrr(lab: Lab): Promise<void> {
  await lab.hostNs('/usr/lib/frr/frrinit.sh', 'stop');
}

/** Process ids of a program, as the host itself numbers them. */
export async function pidsOf(lab: Lab, program: string): Promise<string[]> {
  const script = `for at in /proc/[0-9]*; do read -r name <$at/comm 2>/dev/null && [ "$name" = "$1" ] && echo \${at#/proc/}; done; true`;
  const said = await lab.hostNs('sh', '-c', script, 'sh', program);
  return said.split('\n').filter((line) => line !== '');
}

/**
 * Destinations of routes that FRR has written into the host's routing table, those of containers' ranges (10.0.0.0/8)
 * only: some versions of ospfd write one to each neighbour's own address, too, and some to their own.
 */
export async function learned(lab: Lab, protocol: RoutingProtocol): Promise<string[]> {
  const shown = await lab.hostNs('ip', '-4', '-json', 'route', 'show', 'proto', protocol);
  const routes = JSON.parse(shown === '' ? '[]' : shown) as { dst: string }[];
  return routes
    .map(({ dst }) => dst)
    .filter((dst) => dst.startsWith('10.'))
    .sort();
}

export type RoutingProtocol = 'bgp' | 'ospf';

/** Waits until a host has learned exactly these destinations. */
export async function untilLearned(
  lab: Lab,
  protocol: RoutingProtocol,
  wanted: readonly string[],
  timeoutMs = 90_000,
): Promise<void> {
  let last: readonly string[] = [];
  const text = [...wanted].sort().join(' ');
  await until(
    `the routes ${text || 'to go'}`,
    async () => {
      last = await learned(lab, protocol);
      return last.join(' ') === text || undefined;
    },
    timeoutMs,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; there is ${last.join(' ')}`);
  });
}

/**
 * Waits until a question to a container of another host is answered. The way back may come later than the way there: each
 * host learns it by a message of its own, and BGP without addresses takes the neighbour's link-layer address from router
 * advertisements, which are up to 10 s apart. An error tells the last answer, and the way of each host to both ends.
 */
export async function untilAnswered({ ask, expected, what, labs, ends }: Question): Promise<void> {
  let last = '';
  const isAnswered = async () => {
    last = await ask();
    return last === expected || undefined;
  };
  await until(what, isAnswered, 90_000).catch(async (error: unknown) => {
    const asked = labs.flatMap((lab) => [
      ...ends.map((to) => lab.hostNs('ip', 'route', 'get', to)),
      lab.hostNs('ip', 'neigh'),
    ]);
    const said = (await Promise.allSettled(asked)).map((each) =>
      each.status === 'fulfilled' ? each.value : String(each.reason),
    );
    throw new Error([`${String(error)}: ${last}`, ...said].join('\n'));
  });
}

interface Question {
  /** Asks the container, which answers with the address from which it was asked. */
  ask(): Promise<string>;
  readonly expected: string;
  readonly what: string;
  readonly labs: readonly Lab[];
  /** The addresses of the container that asks and of the one that answers. */
  readonly ends: readonly string[];
}

/** What the kernel of a host tells of its links and routes, with the machine's clock: for figures. */
export class KernelNews {
  readonly #process: LabProcess;
  #read = 0;

  constructor(lab: Lab, index: number) {
    const command = lab.namespaces.enter('host', ['ip', '-ts', '-o', 'monitor', 'link', 'route']);
    this.#process = new LabProcess(command, join(lab.namespaces.directory, `news${index}.log`));
  }

  /** From here on, older news are not looked at. */
  forget(): void {
    this.#read = this.#process.lines.length;
  }

  /** When the first news of that kind came, in milliseconds of the machine's clock; undefined: not since {@link forget}. */
  when(pattern: RegExp): number | undefined {
    const line = this.#process.lines.slice(this.#read).find((each) => pattern.test(each));
    const time = /^\[([^\]]+)\]/.exec(line ?? '')?.[1];
    return time === undefined ? undefined : Date.parse(`${time.slice(0, 23)}Z`);
  }

  async close(): Promise<void> {
    await this.#process.kill();
  }
}

/** What each host has and FRR knows, on stderr: for tests that failed. */
export async function printRouting(labs: readonly Lab[]): Promise<void> {
  const script =
    'ip -br addr; ip route; cat /etc/frr/frr.conf | grep -v "^!"; cat /var/log/frr-start.log; vtysh -c "show ip route" -c "show bgp summary" -c "show bgp ipv4" -c "show ip ospf neighbor"';
  for (const [index, lab] of labs.entries()) {
    const said = await lab.hostNs('sh', '-c', `(${script}) 2>&1; true`).catch(String);
    process.stderr.write(`--- host ${index + 1}\n${said}\n`);
  }
}
