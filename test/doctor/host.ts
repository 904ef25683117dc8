/**
 * A small host for tests of `tsbridge doctor`, in the network and mount namespace of the test: two networks as the
 * daemon would have made them, with their records, and a daemon, an engine and a process for ports that are played.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSocket, type Server as SocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dispatch } from '../../src/cli/dispatch.js';
import type { DoctorItem } from '../../src/cli/schemas/doctor.js';
import { recordVersion } from '../../src/host/records/read-record.js';
import { DockerApi } from '../fakes/docker-api.js';
import { documentOf } from '../process/documents.js';
import { run } from '../process/netns.js';

export const ids = { one: `51e0${'0'.repeat(60)}`, two: `52e0${'0'.repeat(60)}` };
const endpoint = `c0ff${'0'.repeat(60)}`;

/** What the played daemon answers to `GET /status`. */
const sound = {
  ...{ state: 'serving', degraded: [] as string[], forgotten: [] as unknown[], repairs: {} },
  drift: { count: 0, first: [] as string[] },
};

/** The kernel adds link-local routes when it has found addresses unique, about a second after their interface is up. */
async function addressesSettled(): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (run('ip', ['-6', 'address', 'show', 'tentative']).trim() === '') return;
    await sleep(50);
  }
  throw new Error('addresses stay tentative');
}

/** What a test's records have otherwise. */
interface RecordChange {
  readonly icc?: boolean;
  readonly egressIp?: string;
  /** Of the second network. */
  readonly portRules?: 'map';
  readonly protocol?: 'udp';
  readonly hostIp?: string;
  /** The container's network namespace. */
  readonly sandbox?: string;
}

export class DoctorHost {
  readonly folder = mkdtempSync(join(tmpdir(), 'tsbridge-doctor-'));
  status: Readonly<Record<string, unknown>> = sound;
  /** Called when the played daemon has told its status. */
  onStatus = (): void => {};
  #admin: Server | undefined;
  #plugin: SocketServer | undefined;
  #api: DockerApi | undefined;
  #proxy: ChildProcess | undefined;

  get state(): string {
    return join(this.folder, 'state');
  }

  static async make(): Promise<DoctorHost> {
    const host = new DoctorHost();
    makeNetworks();
    host.writeRecords();
    await Promise.all([host.startDaemon(), host.startPlugin(), host.startPorts('tsbridge-proxy')]);
    host.#api = await DockerApi.start();
    host.setEngine(host.#api.path);
    await addressesSettled();
    return host;
  }

  /** The process that holds the published port. */
  get portsProcess(): number | undefined {
    return this.#proxy?.pid;
  }

  writeRecords(more: RecordChange = {}): void {
    for (const kind of ['networks', 'endpoints', 'publications']) {
      mkdirSync(join(this.state, kind), { recursive: true });
    }
    this.#network(ids.one, 'br-1', 20, { 'tsbridge.egress_ip': more.egressIp ?? '192.0.2.1' });
    this.#network(ids.two, 'br-2', 21, {
      ...(more.icc === false ? noTalk : {}),
      ...(more.portRules === undefined ? {} : { 'tsbridge.port_rules': more.portRules }),
    });
    this.put('endpoints', endpoint, {
      ...{ phase: 'ready', sequence: 2, nameAttempt: 0, networkId: ids.one, endpointId: endpoint },
      ...{ frontEnd: 'libnetwork', yielded: [], opened: [], exposed: [] },
      bindings: [[more.protocol ?? 'tcp', more.hostIp ?? '0.0.0.0', 8080, '172.20.0.2', 80]],
      ...(more.sandbox === undefined ? {} : { sandboxKey: more.sandbox }),
      input: {
        ...{ networkId: ids.one, endpointId: endpoint, address: '172.20.0.2/16', addressIpv6: '' },
        ...{ mac: '', options: {} },
      },
    });
  }

  #network(id: string, bridge: string, number: number, labels: object): void {
    const family = (Pool: string, Gateway: string) => ({
      ...{ AddressSpace: '', Pool, Gateway, pool: Pool, gateway: Gateway },
    });
    this.put('networks', id, {
      ...{ phase: 'ready', sequence: 1, bridgeMade: true, addressesMade: [] },
      frontEnd: 'libnetwork',
      ruleSettings: {
        ...{ generation: 'docker28', userlandProxy: true, loopbackSpared: true },
        ...{ masquerade: true, allowDirectRouting: false },
      },
      input: {
        networkId: id,
        options: {
          'com.docker.network.enable_ipv6': true,
          'com.docker.network.generic': { 'com.docker.network.bridge.name': bridge, ...labels },
        },
        ipv4Data: [family(`172.${number}.0.0/16`, `172.${number}.0.1/16`)],
        ipv6Data: [family(`fd00:${number}::/64`, `fd00:${number}::1/64`)],
      },
    });
  }

  put(kind: string, id: string, value: unknown): void {
    const text = JSON.stringify({ version: recordVersion, id, value });
    writeFileSync(join(this.state, kind, `${id}.json`), text);
  }

  setEngine(path: string): void {
    const settings = {
      ...{ 'docker-socket': path, socket: join(this.folder, 'plugin.sock') },
      ip6tables: true,
    };
    writeFileSync(join(this.folder, 'config.json'), JSON.stringify(settings));
  }

  restoreEngine(): void {
    this.setEngine(this.#api?.path ?? 'none');
  }

  /** @param answers false: it takes connections, and is silent */
  async startDaemon(answers = true): Promise<void> {
    this.status = sound;
    const server = createServer(({ url }, response) => {
      if (!answers) return;
      const pid = this.#proxy?.pid;
      if (url !== '/status') return response.writeHead(404).end('{}');
      response.end(JSON.stringify({ pid, ...this.status }));
      this.onStatus();
    });
    this.#admin = server;
    await new Promise<void>((done) => server.listen(join(this.folder, 'admin.sock'), done));
  }

  async stopDaemon(): Promise<void> {
    this.#admin?.closeAllConnections();
    await new Promise((done) => this.#admin?.close(done));
  }

  async startPlugin(): Promise<void> {
    const server = createSocket();
    this.#plugin = server;
    await new Promise<void>((done) => server.listen(join(this.folder, 'plugin.sock'), done));
  }

  async stopPlugin(): Promise<void> {
    await new Promise((done) => this.#plugin?.close(done));
  }

  /** A process of this name that holds the port. */
  async startPorts(name: string, port = 8080): Promise<void> {
    const script = `process.title=${JSON.stringify(name)};
      require('node:net').createServer().listen(${port}, '0.0.0.0', () => console.log('ready'));`;
    const child = spawn(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // It also stands for the daemon, whose variables are settings.
      env: { PATH: process.env.PATH },
    });
    this.#proxy = child;
    await new Promise((done) => child.stdout.once('data', done));
  }

  async stopPorts(): Promise<void> {
    const child = this.#proxy;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  }

  /** What a person sees, or with `--json` a program. */
  async say(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: '', err: '' };
    const where = [
      `--runtime-dir=${this.folder}`,
      `--state-dir=${this.state}`,
      `--config=${join(this.folder, 'config.json')}`,
    ];
    const code = await dispatch(['doctor', ...args, ...where], {
      environment: {},
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
    });
    return { code, ...said };
  }

  /** Also what follows from something. */
  async find(...args: string[]): Promise<{
    code: number;
    items: readonly DoctorItem[];
    notDone: readonly string[];
  }> {
    const { code, out, err } = await this.say('--json', ...args);
    if (out === '') throw new Error(err);
    const document = documentOf(out);
    const { notDone } = document.checks as { notDone: readonly { code: string }[] };
    const items = document.items as readonly DoctorItem[];
    return { code, items, notDone: notDone.map((each) => each.code) };
  }

  async close(): Promise<void> {
    await Promise.all([this.stopPorts(), this.stopDaemon(), this.stopPlugin(), this.#api?.close()]);
    rmSync(this.folder, { recursive: true });
  }
}

const noTalk = { 'com.docker.network.bridge.enable_icc': 'false' };

/** Each line is a command, split at spaces. */
export function commands(...lines: readonly string[]): void {
  for (const line of lines) {
    const [file = '', ...args] = line.split(' ');
    run(file, args);
  }
}

/** Interfaces, routes, settings and rules: eth0 with the default routes, and two bridges. */
function makeNetworks(): void {
  commands(
    'ip link add eth0 type veth peer name out0',
    'ip link add br-1 type bridge',
    'ip link add br-2 type bridge',
    'ip link add v1 type veth peer name v2',
    'ip link set v1 master br-1',
    ...['eth0', 'out0', 'br-1', 'br-2', 'v1', 'v2'].map((name) => `ip link set ${name} up`),
    'ip address add 192.0.2.1/24 dev eth0',
    'ip -6 address add 2001:db8::1/64 dev eth0 nodad',
    'ip route add default via 192.0.2.254',
    'ip -6 route add default via 2001:db8::fe',
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
    'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0',
  );
  for (const [name, number] of [
    ['br-1', 20],
    ['br-2', 21],
  ]) {
    commands(
      `ip address add 172.${number}.0.1/16 dev ${name}`,
      `ip -6 address add fd00:${number}::1/64 dev ${name} nodad`,
    );
  }
  for (const tool of ['iptables', 'ip6tables']) {
    commands(
      `${tool} -N DOCKER`,
      `${tool} -N DOCKER-USER`,
      `${tool} -P FORWARD DROP`,
      `${tool} -A FORWARD -j DOCKER-USER`,
      `${tool} -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      ...['br-1', 'br-2'].flatMap((name) => [
        `${tool} -A FORWARD -o ${name} -j DOCKER`,
        `${tool} -A FORWARD -i ${name} ! -o ${name} -j ACCEPT`,
      ]),
      `${tool} -t nat -N DOCKER`,
    );
  }
  commands(
    'iptables -A DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp --dport 80 -j ACCEPT',
    'iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    'iptables -t nat -A DOCKER ! -i br-1 -p tcp --dport 8080 -j DNAT --to-destination 172.20.0.2:80',
  );
}
