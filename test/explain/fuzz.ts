/** Random rule sets and packets: what the simulation says, against what the kernel did. */
import { spawnSync } from 'node:child_process';
import { readTables } from '../../src/codec/iptables/iptables-words.js';
import { readNativeTable } from '../../src/codec/nft/native-tables.js';
import { parseIp } from '../../src/core/address.js';
import { answerTo } from '../../src/core/explain/answer.js';
import type { RuleTable } from '../../src/core/explain/chains/rule-table.js';
import { type Explanation, explain } from '../../src/core/explain/explain.js';
import { Answers } from '../../src/core/explain/facts.js';
import type { NativeTable } from '../../src/core/explain/native/native-table.js';
import { firstPacket, ipProtocols, type Packet, tcpFlags } from '../../src/core/explain/packet.js';
import type { Journey } from '../../src/core/explain/path/journey.js';
import type { Random } from '../fuzz/random.js';
import { run } from '../process/netns.js';
import type { KernelTrace } from './kernel-trace.js';
import { packetBytes } from './packet-bytes.js';
import { mapTableOf, randomMap, withoutMap } from './random-map.js';
import { randomNative, tablesOf, withoutNative } from './random-native.js';
import { randomRules, type Scene } from './random-rules.js';
import type { Host } from './scene.js';
import type { RawSender } from './tun.js';

/**
 * Whose rules a round is about: those of iptables-nft alone, with tables of nft's own beside them, with such tables
 * whose chains have priorities that others have too, with the map of published ports beside them, or those of iptables-legacy
 * alone.
 */
export const ruleKinds = ['iptables', 'native', 'tied', 'map', 'legacy'] as const;
export type RuleKind = (typeof ruleKinds)[number];

export interface Difference {
  readonly packet: Packet;
  readonly rules: string;
  readonly kernel: readonly string[];
  readonly simulated: readonly string[];
}

/** Where packets went: by rules of which hooks the kernel and the simulation have led them. */
export type Course =
  | 'made here'
  | 'for the host'
  | 'forwarded'
  | 'ended before routing'
  | 'answers';

/** Source ports, or identifiers of echoes, in turn: each packet begins a flow. */
let port = 20_000;

export class ExplainFuzz {
  /** How many packets went where; each answer counts as one, too. */
  readonly courses = new Map<Course, number>();

  constructor(
    private readonly random: Random,
    private readonly scene: Scene,
    private readonly host: Host,
    private readonly sender: RawSender,
    private readonly traces: Readonly<Record<RuleTable['variant'], KernelTrace>>,
    private readonly rules: RuleKind,
  ) {}

  /** One rule set, and `packets` packets through it. */
  async round(packets: number): Promise<Difference[]> {
    const { family } = this.scene;
    const variant = this.rules === 'legacy' ? 'legacy' : 'nft';
    const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`;
    const rules = randomRules(this.random, this.scene);
    run(`${program}-restore`, [], rules);
    // A packet that looks like one of an earlier rule set would belong to that one's flow.
    run('conntrack', ['-F']);
    const saved = run(`${program}-save`, []);
    const ofIptables = readTables(saved.split('\n'), family, variant);
    const isTied = this.rules === 'tied';
    const native =
      this.rules === 'map'
        ? loadMap(this.random, this.scene)
        : isTied || this.rules === 'native'
          ? loadNative(this.random, this.scene, isTied)
          : [];
    const tables = [...ofIptables, ...native.map(({ table }) => table)];
    const trace = this.traces[variant];
    trace.begin(family, ofIptables);
    const differences: Difference[] = [];
    const pass = async (packet: Packet): Promise<Explanation | undefined> => {
      trace.forget();
      this.#pass(packet);
      const explanation = await this.#explain(tables, packet);
      const says = isTied
        ? (lines: readonly string[]) => isOneOrder(lines, explanation)
        : (lines: readonly string[]) => lines.join() === simulatedLines(explanation).join();
      const kernel = await kernelLines(trace, says);
      if (says(kernel)) return explanation;
      const simulated = isTied
        ? explanation.alternatives.flatMap((way) => ['way:', ...linesOf(way)])
        : simulatedLines(explanation);
      const listed = [saved, ...native.map(({ text }) => text)].join('\n');
      differences.push({ packet, rules: listed, kernel, simulated });
      return undefined;
    };
    for (let count = 0; count < packets; count += 1) {
      const packet = this.#packet();
      const [way] = (await pass(packet))?.alternatives ?? [];
      if (way !== undefined) this.#count(courseOf(packet, way));
      // What has left by an interface is answered there. No program of this host waits for TCP's: the kernel would
      // reset the connection, by a packet that is traced, too.
      const isReset = packet.inInterface === undefined && packet.protocol === ipProtocols.tcp;
      const isAnswered = way?.end.kind === 'sent' && !isReset && !isTied;
      const answer = isAnswered ? answerTo(way) : undefined;
      if (answer === undefined) continue;
      await pass(answer);
      this.#count('answers');
    }
    if (this.rules === 'map') run('nft', ['-f', '-'], withoutMap(this.scene));
    else if (native.length > 0) run('nft', ['-f', '-'], withoutNative(this.scene));
    return differences;
  }

  #count(course: Course): void {
    this.courses.set(course, (this.courses.get(course) ?? 0) + 1);
  }

  #pass(packet: Packet): void {
    const bytes = packetBytes(packet);
    if (packet.inInterface === undefined) this.sender.send(packet.family, bytes);
    else this.host.tuns.get(packet.inInterface)?.receive(bytes);
  }

  async #explain(
    tables: readonly (RuleTable | NativeTable)[],
    packet: Packet,
  ): Promise<Explanation> {
    const answers = new Answers();
    for (;;) {
      const said = explain(tables, packet, answers);
      if (!('question' in said)) return said;
      answers.give(said.question, await this.host.answer(said.question));
    }
  }

  #packet(): Packet {
    const { random, scene } = this;
    const made = random.chance(30);
    const index = random.number(3);
    const protocol = random.pick([
      ipProtocols.tcp,
      ipProtocols.udp,
      ipProtocols.udp,
      scene.family === 4 ? ipProtocols.icmp : ipProtocols.icmpv6,
    ]);
    const icmp = protocol === ipProtocols.icmp || protocol === ipProtocols.icmpv6;
    port = port === 29_999 ? 20_000 : port + 1;
    const source = made
      ? random.pick(scene.own)
      : random.pick(random.chance(70) ? [scene.others[[0, 1, 3][index] ?? 0] ?? ''] : scene.others);
    const destination = random.pick(random.chance(40) ? scene.own : scene.others);
    return firstPacket({
      family: scene.family,
      protocol,
      source: parseIp(source) ?? fail(source),
      destination: parseIp(destination) ?? fail(destination),
      sourcePort: port,
      destinationPort: icmp ? 0 : random.pick(scene.ports),
      ...(icmp ? { icmp: { type: scene.family === 4 ? 8 : 128, code: 0 } } : {}),
      ...(made ? {} : { inInterface: scene.interfaces[index] ?? 'tun0' }),
      ...(protocol === ipProtocols.tcp && random.chance(10)
        ? { tcpFlags: tcpFlags.SYN | tcpFlags.ACK }
        : {}),
      length: random.pick([60, 80, 200]),
      ttl: random.pick([64, 64, 33, 2, 1]),
      tos: random.pick([0, 0, 0x10, 0x20]),
    });
  }
}

function courseOf({ inInterface }: Packet, { stages, end }: Journey): Course {
  if (inInterface === undefined) return 'made here';
  const hooks = stages.flatMap((stage) => (stage.kind === 'route' ? [] : [stage.hook]));
  if (hooks.includes('FORWARD') || end.kind === 'sent') return 'forwarded';
  return hooks.includes('INPUT') || end.kind === 'host' ? 'for the host' : 'ended before routing';
}

/** Events come a moment later if the kernel has put the packet off. */
async function kernelLines(
  trace: KernelTrace,
  isExpected: (lines: readonly string[]) => boolean,
): Promise<string[]> {
  for (let turn = 0; turn < 20 && !isExpected(trace.lines()); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, turn));
  }
  return [...trace.lines()];
}

/** A random rule set without the rules that nft refuses, such as those for two protocols at once; and its listing. */
function loadNative(random: Random, scene: Scene, isTied: boolean): ReturnType<typeof readNative> {
  let lines = randomNative(random, scene, isTied).split('\n');
  for (let turn = 0; ; turn += 1) {
    const { status, stderr } = spawnSync('nft', ['-f', '-'], {
      input: lines.join('\n'),
      encoding: 'utf8',
    });
    if (status === 0) break;
    const refused = new Set(
      [...stderr.matchAll(/^\/dev\/stdin:(\d+):[\d-]+: Error/gm)].map(
        ([, line]) => Number(line) - 1,
      ),
    );
    if (refused.size === 0 || turn === 20) throw new Error(stderr);
    lines = lines.filter((_, index) => !refused.has(index));
  }
  return readNative(tablesOf(scene));
}

function loadMap(random: Random, scene: Scene): ReturnType<typeof readNative> {
  run('nft', ['-f', '-'], randomMap(random, scene));
  return readNative([mapTableOf(scene)]);
}

function readNative(
  names: readonly (readonly [family: string, name: string])[],
): { table: NativeTable; text: string }[] {
  return names.map(([family, name]) => {
    const text = run('nft', ['-a', 'list', 'table', family, name]);
    const table = readNativeTable(run('nft', ['-jn', 'list', 'table', family, name]), text);
    if (table === undefined) throw new Error(text);
    return { table, text };
  });
}

function fail(text: string): never {
  throw new Error(`not an address: ${text}`);
}

/** The rules of a simulated way in the words of a {@link KernelTrace}. Random rules have no condition that cannot be known. */
function simulatedLines({ alternatives }: Explanation): string[] {
  const [first] = alternatives;
  const unknown = first?.assumptions.flatMap(({ dependsOn }) => dependsOn) ?? [];
  return unknown.length > 0 ? unknown : linesOf(first as Journey);
}

function linesOf({ stages }: Journey): string[] {
  return stages.flatMap((stage) =>
    stage.kind !== 'table'
      ? []
      : stage.steps.flatMap(({ chain, number, outcome }) => {
          const table = stage.table.split(' ').at(-1);
          if (number !== undefined) return [`${table} ${chain} ${number}`];
          return outcome === 'return' ? [] : [`${table} ${chain} policy`];
        }),
  );
}

/**
 * Whether the kernel's lines are those of one of the ways, whose conditions are all of the order of chains. Where the
 * order makes no difference, the simulation takes any: then a packet that goes on has met the same rules, and one that
 * ends has met the same last one.
 */
function isOneOrder(kernel: readonly string[], { alternatives, cut }: Explanation): boolean {
  const conditions = alternatives.flatMap(({ assumptions }) =>
    assumptions.flatMap(({ dependsOn }) => dependsOn),
  );
  if (!conditions.every((words) => words.startsWith('the kernel asks it before'))) return false;
  const fits = (journey: Journey) => {
    const lines = linesOf(journey);
    const isEnded = journey.end.kind === 'dropped' || journey.end.kind === 'rejected';
    if (isEnded) return lines.at(-1) === kernel.at(-1);
    return [...lines].sort().join() === [...kernel].sort().join();
  };
  return cut || alternatives.some(fits);
}
