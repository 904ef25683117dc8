/** The rows of a host that fills up: flatness, adoption, repair, memory, stalls. */
import { copyFileSync, existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../test/process/daemon.js';
import { run } from '../test/process/netns.js';
import { BareCalls, crowded, portMap } from './bare-calls.js';
import { BareClient, echoPort } from './bare-client.js';
import { listenerCost } from './bare-listener.js';
import type { BareRow } from './bare-names.js';
import { containerBeside, onePort, publishMapped } from './bare-ports.js';
import { type Figure, figure } from './figure.js';
import { longestStall, parse, timesIn } from './handler-times.js';
import { difference, kernelCost, rules, withoutNumber } from './kernel-rules.js';
import { median } from './measure.js';
import { type Memory, memoryFigure, memoryOf } from './memory.js';

export interface BareSettings {
  /** As many networks and endpoints; half of the endpoints for adoption and repair. */
  readonly size: number;
  readonly generation: string;
  /** auto or restore, as the daemon's setting. */
  readonly ruleBackend: string;
  /** The command of netavark. */
  readonly netavark: readonly string[];
}

/** Ports of each endpoint. */
const portsEach = 10;
const firstPort = 20_000;
/** Milliseconds after a start, in which the daemon gives back the memory that only the start needed. */
const restMs = 4_000;
/** How many calls stand for the first, and for the last. */
const sample = 15;

interface EndpointTimes {
  readonly create: readonly number[];
  readonly publish: readonly number[];
}

export class BareHost {
  readonly figures: Figure[] = [];
  readonly #folder = mkdtempSync('/run/bench-');
  /** A copy of Node.js for the daemon: PSS counts pages of a program that other processes run, too, by their share only. */
  readonly #node = join(this.#folder, 'node');
  readonly #client = new BareClient();
  #daemon: Daemon | undefined;
  #calls: BareCalls | undefined;
  /** Of the daemons that have ended since the last look. */
  #stalls: number[] = [];

  constructor(private readonly settings: BareSettings) {}

  async start(): Promise<void> {
    const { generation, ruleBackend } = this.settings;
    if (!existsSync(this.#node)) copyFileSync(process.execPath, this.#node);
    const args = ['--firewall-generation', generation, '--rule-backend', ruleBackend];
    this.#daemon = await Daemon.start(this.#folder, { args, node: this.#node });
    const daemon = this.#daemon;
    process.once('exit', () => {
      daemon.process.kill('SIGKILL');
      for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    });
    this.#calls = new BareCalls(this.#daemon.socket);
  }

  async stop(): Promise<void> {
    this.#client.stop();
    if (this.#daemon === undefined) return;
    await this.#end();
    for (const pid of this.#daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  }

  /** What a start leaves is given back soon after it. */
  async idle(): Promise<void> {
    await sleep(restMs);
    this.figures.push(memoryFigure('memory, idle', memoryOf(this.#running.pid)));
  }

  async warmUp(): Promise<void> {
    for (let number = 0; number < sample; number += 1) await this.calls.createNetwork(number);
    for (let number = 0; number < sample; number += 1) await this.calls.deleteNetwork(number);
    await this.calls.createNetwork(crowded);
    for (let number = 0; number < sample; number += 1) {
      await this.calls.createEndpoint(number);
      await this.calls.publish(number, portMap(firstPort, portsEach));
      await this.calls.removeEndpoint(number);
    }
  }

  async thousand(): Promise<void> {
    await this.calls.createEndpoint(0);
    let last: Memory | undefined;
    const times = await this.#during(async () => {
      for (let round = 0; round <= 7; round += 1) {
        await this.calls.publish(0, portMap(firstPort, 1000, ''));
        last = memoryOf(this.#running.pid);
        // As a container that lives for some time: the numbers of its rules are known then.
        await sleep(1_000);
        await this.calls.revoke(0);
      }
    });
    await this.calls.removeEndpoint(0);
    const of = (method: string) => median((times.get(method) ?? []).slice(1));
    this.#add('publish 1000 ports: handler', 'ms', of('ProgramExternalConnectivity'));
    this.#add('revoke 1000 ports: handler', 'ms', of('RevokeExternalConnectivity'));
    if (last !== undefined) this.figures.push(memoryFigure('memory, 1000 ports, no engine', last));
  }

  /** One port that comes and goes, and a thousand in turn with netavark. */
  async ports(one: boolean, besideNetavark: boolean): Promise<void> {
    const { netavark } = this.settings;
    if (one) this.figures.push(...(await onePort(this.calls, (work) => this.#during(work))));
    if (besideNetavark) this.figures.push(...(await containerBeside(netavark, this.calls)));
  }

  async networks(): Promise<void> {
    const { size } = this.settings;
    const times = await this.#during(async () => {
      for (let number = 0; number < size; number += 1) await this.calls.createNetwork(number);
    });
    this.#flat('flat: last network beside the first', times.get('CreateNetwork') ?? []);
    for (let number = 0; number < size; number += 50) {
      const some = Array.from(
        { length: Math.min(50, size - number) },
        (_, index) => number + index,
      );
      await Promise.all(some.map((each) => this.calls.deleteNetwork(each)));
    }
  }

  /** Takes back the ports of {@link endpoints} first: the process that holds them may not open files for all. */
  async mapped(others: number): Promise<void> {
    const { size } = this.settings;
    for (let number = 0; number < others; number += 50) {
      const some = Array.from(
        { length: Math.min(50, others - number) },
        (_, index) => number + index,
      );
      await Promise.all(some.map((each) => this.calls.revoke(each)));
    }
    const times = await this.#during(() => publishMapped(this.calls, size, portsEach));
    const publish = times.get('ProgramExternalConnectivity') ?? [];
    this.#flat('flat: last port in a map beside the first', publish);
  }

  /** What others' rules cost the daemon. */
  async listener(): Promise<void> {
    const { beside, without } = await listenerCost(this.#running.pid);
    const note = `${without.toFixed(2)} % without any change`;
    this.#add('listener: two changes a second beside 10,000 foreign rules', '%', beside, note);
  }

  /** Numbers from `from` to `to`, each with its ports. */
  async endpoints(from: number, to: number): Promise<EndpointTimes> {
    const create: number[] = [];
    const times = await this.#during(async () => {
      for (let number = from; number < to; number += 1) {
        const link = await this.calls.createEndpoint(number);
        if (number === 0) this.#client.connect(link);
        const options =
          number === 0 ? echoPort : portMap(firstPort + portsEach * number, portsEach);
        await this.calls.publish(number, options);
      }
    });
    const joins = times.get('Join') ?? [];
    times.get('CreateEndpoint')?.forEach((time, index) => {
      create.push(time + (joins[index] ?? 0));
    });
    // The first one publishes other ports than the rest.
    return { create, publish: (times.get('ProgramExternalConnectivity') ?? []).slice(1) };
  }

  compareEndpoints(first: EndpointTimes, last: EndpointTimes): void {
    this.#flat('flat: last endpoint beside the first', [...first.create, ...last.create]);
    const publish = [...first.publish, ...last.publish];
    this.#flat('flat: last port beside the first', publish);
    const [early, late] = [median(publish.slice(0, sample)), median(publish.slice(-sample))];
    const kernel = kernelCost(this.settings.generation);
    const note = `${late.toFixed(1)} ms; the first ${early.toFixed(1)}, and the kernel's own ${kernel.toFixed(1)}`;
    this.#add("flat: last port beside the kernel's floor", '×', late / (early + kernel), note);
  }

  /** A daemon that ends while a client sends, another that takes over, and a flush. */
  async adoption(): Promise<void> {
    const sending = await this.#client.send();
    await sleep(500);
    const before = rules();
    await this.restart('longest stall: endpoints and ports', (ms) => {
      this.#add('adoption: start to serving', 'ms', ms, this.#content());
    });
    await sleep(1_000);
    const { sent, lost } = await sending.end();
    const changed = difference(before, rules());
    this.#add('adoption: rules rewritten', '', changed, 'by their numbers in the kernel');
    this.#add('adoption: packets lost', '', lost, `of ${sent}, one a ms`);

    const wanted = rules().map(withoutNumber);
    const mark = this.#running.log.length;
    run('iptables', ['-w', '-F']);
    const flushed = Date.now();
    const latest = performance.now() + 60_000;
    const repair = async (): Promise<Record<string, unknown>> => {
      for (;;) {
        const lines = this.#running.log.slice(mark).split('\n').map(parse);
        const found = lines.find((line) => /repaired/.test(String(line?.msg)));
        if (found !== undefined) return found;
        if (performance.now() > latest) throw new Error('nothing was repaired');
        await sleep(20);
      }
    };
    const { time } = await repair();
    const back = Date.parse(String(time)) - flushed;
    const wrong = difference(wanted, rules().map(withoutNumber));
    if (wrong > 0) throw new Error(`${wrong} rules are not as they were`);
    this.#add('repair after iptables -F', 'ms', back, this.#content());
    await this.restart('longest stall: adoption and repair');
  }

  /** @param row what the daemon that ends has to tell its longest stall as */
  async restart(row: BareRow, took: (ms: number) => void = () => undefined): Promise<void> {
    await this.#end();
    this.#add(row, 'ms', Math.max(...this.#stalls));
    this.#stalls = [];
    const from = performance.now();
    await this.start();
    took(performance.now() - from);
  }

  async #end(): Promise<void> {
    const daemon = this.#running;
    this.#calls?.close();
    // Not `Daemon.kill`: the process that holds ports lives on, and has its output.
    daemon.process.kill('SIGTERM');
    while (daemon.alive) await sleep(5);
    await sleep(50); // what it wrote last
    this.#stalls.push(longestStall(daemon.log.split('\n')));
  }

  /** How long the calls of `work` took inside of the handlers, by method. */
  async #during(work: () => Promise<void>): Promise<Map<string, number[]>> {
    const mark = this.#running.log.length;
    await work();
    await sleep(100);
    return timesIn(this.#running.log.slice(mark).split('\n'));
  }

  #flat(row: BareRow, times: readonly number[]): void {
    const [first, last] = [median(times.slice(0, sample)), median(times.slice(-sample))];
    const note = `${first.toFixed(1)} ms, then ${last.toFixed(1)} ms; number ${times.length}`;
    this.#add(row, '×', last / first, note);
  }

  #content(): string {
    return `${this.settings.size / 2} endpoints, ${(this.settings.size / 2) * portsEach} ports`;
  }

  #add(row: BareRow, unit: Figure['unit'], tsbridge: number, note?: string): void {
    this.figures.push(figure({ row, unit, tsbridge, note }, this.settings.generation));
  }

  private get calls(): BareCalls {
    if (this.#calls === undefined) throw new Error('no daemon');
    return this.#calls;
  }

  get #running(): Daemon {
    if (this.#daemon === undefined) throw new Error('no daemon');
    return this.#daemon;
  }
}
