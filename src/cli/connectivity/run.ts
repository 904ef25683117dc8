/** Makes the connections of a connectivity test, and compares what becomes of them with what should. */
import { type IpAddress, isLoopback, parseIp } from '../../core/address.js';
import type { PathTest, Seen, Target } from '../../core/connectivity/path.js';
import { pathsOf } from '../../core/connectivity/paths.js';
import { ask } from '../../probe/ask.js';
import type { Answer, Question } from '../../probe/protocol.js';
import { type Lab, outsideAddress, uplinkAddress } from './lab.js';
import { containerPorts, outsidePort } from './networks.js';

/**
 * Milliseconds to wait for an answer that should come, and for one that should not: the latter passes in every test
 * that succeeds.
 */
const patienceMs = { answer: 4_000, silence: 1_000 } as const;
/** Connections at a time: more would compete for the processor, and answers could come too late. */
const atOnce = 12;
const defaultMtu = 1_500;

export interface Outcome {
  readonly path: PathTest;
  readonly question: Question;
  /** Source address with which the question is sent; undefined for the host, whose kernel chooses it. */
  readonly source: IpAddress | undefined;
  readonly answer: Answer;
  /** The address that the server has to see; undefined: any address, or the connection has to fail. */
  readonly wanted: string | undefined;
  readonly passed: boolean;
}

/**
 * Source ports of the outside host, which asks from the same port before and after a container is replaced. In its own
 * network namespace all ports are free. Each family has its own, since a socket of IPv6 takes the port for IPv4, too.
 */
const sourcePorts = { 4: 47_354, 6: 47_356 } as const;

type Choice = (path: PathTest) => boolean;

/** Tries the chosen connections, but for those of {@link runReplaced}. */
export async function runPaths(lab: Lab, isChosen: Choice): Promise<Outcome[]> {
  const paths = chosenPaths(lab, isChosen).filter(({ replaced }) => replaced === undefined);
  const outcomes: Outcome[] = [];
  const queue = paths.entries();
  const work = async (): Promise<void> => {
    for (const [index, path] of queue) outcomes[index] = await runPath(lab, path);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

function chosenPaths({ network, host }: Lab, isChosen: Choice): PathTest[] {
  return pathsOf(network.spec, network.generation, host).filter(isChosen);
}

/**
 * Tries the chosen connections to a container that was replaced. Replaces the container itself, if such a connection is
 * chosen.
 */
export async function runReplaced(lab: Lab, isChosen: Choice): Promise<Outcome[]> {
  const paths = chosenPaths(lab, isChosen).filter(({ replaced }) => replaced);
  if (paths.length === 0) return [];
  const from = ({ family }: PathTest) => ({ sourcePort: sourcePorts[family] });
  // This round only makes the kernel track flows to the former container; other tests check the answers.
  await Promise.all(paths.map((path) => runPath(lab, path, from(path))));
  await lab.replace();
  return Promise.all(paths.map((path) => runPath(lab, path, from(path))));
}

async function runPath(
  lab: Lab,
  path: PathTest,
  more: Pick<Question, 'sourcePort'> = {},
): Promise<Outcome> {
  const question = { ...questionOf(lab, path), ...more };
  const answer = await (path.from === 'host' ? ask(question) : lab.probes[path.from].ask(question));
  const wanted = path.expected.answer ? seenAs(lab, path, path.expected.seen) : undefined;
  const asExpected = answer.answered === path.expected.answer;
  const seesRight = !answer.answered || wanted === undefined || answer.seen === wanted;
  return {
    ...{ path, question, source: sourceOf(lab, path), answer, wanted },
    passed: asExpected && seesRight,
  };
}

function questionOf(lab: Lab, path: PathTest): Question {
  const { probe, family, expected } = path;
  const { address, port } = addressOf(lab, path);
  const mtu = lab.network.spec.mtu ?? defaultMtu;
  return {
    ...{ probe, family, address, port },
    timeoutMs: expected.answer ? patienceMs.answer : patienceMs.silence,
    ...(probe === 'packet' ? { bytes: mtu } : {}),
  };
}

function addressOf(lab: Lab, path: PathTest): { readonly address: string; readonly port: number } {
  const { family, to } = path;
  switch (to.at) {
    case 'container':
      return { address: lab.second.addresses[family] ?? '', port: containerPorts[to.port] };
    case 'outside':
      return { address: outsideAddress(lab, family), port: outsidePort };
    case 'gateway':
      return { address: lab.addresses.tested[family].at(1).address, port: 0 };
    case 'host-port':
      return { address: hostAddress(lab, path, to.by), port: hostPortOf(lab, path) };
  }
}

function hostAddress(
  lab: Lab,
  { family }: PathTest,
  by: Extract<Target, { at: 'host-port' }>['by'],
): string {
  const { hostBinding } = lab.network.spec;
  if (by === 'uplink') return uplinkAddress(lab, family);
  if (by === 'binding') return hostBinding ?? '';
  const own = hostBinding !== undefined && isLoopback(hostBinding) ? hostBinding : undefined;
  return own ?? (family === 4 ? '127.0.0.1' : '::1');
}

/** 0 if the port is not published: the connection then fails with an error of the kernel, which the report shows. */
function hostPortOf({ second }: Lab, { family, probe }: PathTest): number {
  const protocol = probe === 'udp' ? 'udp' : 'tcp';
  const found = second.ports.find(
    (port) => port.protocol === protocol && (port.address.includes(':') ? 6 : 4) === family,
  );
  return found?.port ?? 0;
}

/** Address of the probe that asks; undefined for the host. */
function sourceOf(lab: Lab, { from, family }: PathTest): IpAddress | undefined {
  if (from === 'host') return undefined;
  return from === 'outside' ? outsideAddress(lab, family) : lab[from].addresses[family];
}

function seenAs(lab: Lab, path: PathTest, seen: Seen): string | undefined {
  const { spec } = lab.network;
  switch (seen) {
    case 'itself':
      return sourceOf(lab, path);
    case 'uplink':
      return uplinkAddress(lab, path.family);
    case 'option':
      return (path.family === 4 ? spec.ipv4 : spec.ipv6)?.hostAddress;
    case 'gateway': {
      // The proxy reaches a container that has no IPv6 by IPv4.
      const own = path.family === 6 ? (spec.ipv6 ?? spec.ipv4) : spec.ipv4;
      return own?.bridgeAddress && parseIp(own.bridgeAddress.address);
    }
    case 'any':
      return undefined;
  }
}
