/**
 * The proxy process: holds every published port of the host. It outlives the daemon, so that an
 * upgrade or a crash of the daemon costs no connection, and ends by itself when no port is held.
 *
 * Usage: node worker.js CONTROL_SOCKET
 */
import { readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { answered } from '../../background.js';
import { buildId } from '../../build-id.js';
import { messageOf } from '../../core/errors.js';
import { type PortRange, parseEphemeralRange } from '../../core/ports/ephemeral.js';
import { keepLittleFreed, UnusedMemory } from '../../unused-memory.js';
import { type About, controlVersion, lineSplitter, type Reply, type Request } from '../control.js';
import { removeOwnFiles } from '../control-folder.js';
import { Admission } from './admission.js';
import { Datagrams } from './datagrams.js';
import { Handover } from './handover.js';
import { Holder } from './holder.js';
import { isConfined } from './system/confinement.js';
import { EventLoop } from './system/event-loop.js';
import { PacketInfo } from './system/packet-info.js';
import { Pipes } from './system/pipes.js';
import { tellReady } from './system/readiness.js';
import { Sockets } from './system/socket.js';
import { layouts, loadSystemCalls } from './system/system-calls.js';
import { Dialing } from './tcp-forwarder.js';
import { TrafficCounts } from './traffic.js';
import { flowPorts, UdpFlows } from './udp-flows.js';

/** The process ends when it had neither listeners nor a daemon's connection for so long. */
const defaultLonelyMs = 10_000;
/** Milliseconds from the start until unused memory is first given back, and from then on between two times. */
const memoryMs = { first: 1_000, every: 600_000 } as const;

/** Replaced in tests. */
export interface WorkerSettings {
  readonly udpIdleMs?: number;
  readonly connectTimeoutMs?: number;
  readonly lonelyMs?: number;
  /** The build that it reports. */
  readonly build?: string;
}

export function runWorker(controlPath: string, settings: WorkerSettings = {}): void {
  process.title = 'tsbridge-proxy';
  keepLittleFreed();
  const system = loadSystemCalls();
  const shapes = layouts();
  const loop = new EventLoop(system, shapes, report);
  const admission = new Admission(system);
  const ports = flowPorts(ephemeralRange());
  const counts = new TrafficCounts();
  const flows = new UdpFlows(() => Math.min(ports, admission.flowLimit), settings.udpIdleMs);
  const holder = new Holder({
    system,
    loop,
    sockets: new Sockets(system),
    pipes: new Pipes(system),
    admission,
    dialing: new Dialing(settings.connectTimeoutMs),
    datagrams: new Datagrams(system, shapes),
    packetInfo: new PacketInfo(shapes),
    flows,
    counts,
  });
  const handover = new Handover({ system, layouts: shapes, loop, holder });
  const about: About = {
    pid: process.pid,
    build: settings.build ?? buildId,
    node: process.version,
    network: readlinkSync('/proc/self/ns/net'),
    confined: isConfined(),
  };
  let control: net.Socket | undefined;
  let retired = false;
  // A defect in the handling of one connection must not end the process, and with it all ports.
  process.on('uncaughtException', (error) => report(error));
  process.on('unhandledRejection', (error) => report(error));
  process.on('SIGTERM', () => process.exit(0));
  process.stderr.on('error', () => undefined);

  const answer = async (request: Request): Promise<Omit<Reply, 'id'>> => {
    switch (request.op) {
      case 'hello':
        return { version: controlVersion, about };
      case 'open':
        return { failures: holder.open(request.owner, request.listeners) };
      case 'close':
        holder.close(request.owner, request.listeners);
        return {};
      case 'sync':
        return { failures: holder.sync(request.owners) };
      case 'pause-udp':
        holder.pauseUdp(request.owners);
        return {};
      case 'resume-udp':
        holder.resumeUdp(request.owners);
        return {};
      case 'stats':
        return {
          ...{ listeners: holder.listeners, connections: holder.connections },
          traffic: {
            ...counts,
            udpFlows: flows.count,
            residentBytes: process.memoryUsage.rss(),
          },
        };
      case 'list':
        return { owners: holder.list() };
      case 'receive':
        handover.receive(request.path);
        return {};
      case 'give':
        return { listeners: await handover.give(request.path) };
      case 'adopt':
        return { listeners: await handover.adopt() };
      case 'retire':
        retired = true;
        holder.release();
        handover.abandon();
        server.close();
        return {};
      default:
        return { error: 'unknown operation' };
    }
  };

  /** Never rejects. */
  const respond = async (line: string, socket: net.Socket): Promise<void> => {
    let id = 0;
    let reply: Omit<Reply, 'id'>;
    try {
      const request = JSON.parse(line) as Request;
      id = request.id;
      reply = await answer(request);
    } catch (error) {
      reply = { error: messageOf(error) };
    }
    socket.write(`${JSON.stringify({ id, ...reply })}\n`);
  };

  const server = net.createServer((socket) => {
    // A new daemon takes over: the one before it has ended, or is about to.
    control?.destroy();
    control = socket;
    socket.setEncoding('utf8');
    // One after the other, in the order of the daemon's requests.
    let before: Promise<void> = Promise.resolve();
    const feed = lineSplitter((line) => {
      before = before.then(() => respond(line, socket));
    });
    socket.on('data', (chunk) => {
      try {
        feed(String(chunk));
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (control === socket) control = undefined;
    });
  });
  server.on('error', (error) => {
    report(error);
    process.exit(1);
  });
  // bind() happens inside listen(): at no time may another user connect.
  const mask = process.umask(0o177);
  server.listen(controlPath, () => tellReady(system));
  process.umask(mask);

  const { lonelyMs = defaultLonelyMs } = settings;
  let lonelySince = performance.now();
  setInterval(() => {
    if (control !== undefined || holder.listeners > 0) lonelySince = performance.now();
    if (retired ? holder.connections > 0 : performance.now() - lonelySince < lonelyMs) return;
    if (!retired) removeOwnFiles(controlPath);
    process.exit(0);
  }, 1_000);
  giveMemoryBack();
  loop.run();
}

/** Gives unused memory back to the kernel at the times in {@link memoryMs}, until the host refuses it: it is told of once. */
function giveMemoryBack(): void {
  const memory = new UnusedMemory();
  const work = async (): Promise<void> => {
    await memory.trimAllocator();
    await memory.releaseProgram();
  };
  const give = (): void =>
    answered(work(), (error) => {
      clearTimeout(first);
      clearInterval(every);
      report(error);
    });
  const first = setTimeout(give, memoryMs.first).unref();
  const every = setInterval(give, memoryMs.every).unref();
}

/** Of the host, from which the kernel takes a port for each UDP flow. */
function ephemeralRange(): PortRange {
  try {
    return parseEphemeralRange(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'));
  } catch {
    return parseEphemeralRange(undefined);
  }
}

function report(error: unknown): void {
  process.stderr.write(`${JSON.stringify({ level: 'error', msg: messageOf(error) })}\n`);
}
