/**
 * The proxy process: holds every published port of the host. It outlives the daemon, so that an
 * upgrade or a crash of the daemon costs no connection, and ends by itself when nobody needs it.
 *
 * Usage: node worker.js CONTROL_SOCKET
 */
import { chmodSync, readFileSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { messageOf } from '../core/errors.js';
import { type PortRange, parseEphemeralRange } from '../core/ports/ephemeral.js';
import { Admission } from './admission.js';
import { controlVersion, lineSplitter, type Reply, type Request } from './control.js';
import { Datagrams } from './datagrams.js';
import { Holder } from './holder.js';
import { EventLoop } from './system/event-loop.js';
import { PacketInfo } from './system/packet-info.js';
import { Pipes } from './system/pipes.js';
import { Sockets } from './system/socket.js';
import { layouts, loadSystemCalls } from './system/system-calls.js';
import { Dialing } from './tcp-forwarder.js';
import { flowPorts, UdpFlows } from './udp-flows.js';

/** Without listeners and without a daemon. */
const lonelyMs = 10_000;

/** Other than usual, for tests. */
export interface WorkerSettings {
  readonly udpIdleMs?: number;
  readonly connectTimeoutMs?: number;
}

export function runWorker(controlPath: string, settings: WorkerSettings = {}): void {
  process.title = 'tsbridge-proxy';
  const system = loadSystemCalls();
  const shapes = layouts();
  const loop = new EventLoop(system, shapes, report);
  const admission = new Admission(system);
  const ports = flowPorts(ephemeralRange());
  const holder = new Holder({
    system,
    loop,
    sockets: new Sockets(system),
    pipes: new Pipes(system),
    admission,
    dialing: new Dialing(settings.connectTimeoutMs),
    datagrams: new Datagrams(system, shapes),
    packetInfo: new PacketInfo(shapes),
    flows: new UdpFlows(() => Math.min(ports, admission.flowLimit), settings.udpIdleMs),
  });
  let control: net.Socket | undefined;
  let retired = false;
  // What goes wrong with one connection must not take the ports of all containers away.
  process.on('uncaughtException', (error) => report(error));
  process.on('unhandledRejection', (error) => report(error));
  process.on('SIGTERM', () => process.exit(0));
  process.stderr.on('error', () => undefined);

  const answer = (request: Request): Omit<Reply, 'id'> => {
    switch (request.op) {
      case 'hello':
        return { version: controlVersion };
      case 'open':
        return { failures: holder.open(request.owner, request.listeners) };
      case 'close':
        holder.close(request.owner, request.listeners);
        return {};
      case 'sync':
        return { failures: holder.sync(request.owners) };
      case 'stats':
        return { listeners: holder.listeners, connections: holder.connections };
      case 'retire':
        retired = true;
        holder.release();
        server.close();
        return {};
      default:
        return { error: 'unknown operation' };
    }
  };

  const server = net.createServer((socket) => {
    // The newest daemon is the right one: the one before it has died, or is about to.
    control?.destroy();
    control = socket;
    socket.setEncoding('utf8');
    const feed = lineSplitter((line) => {
      let id = 0;
      let reply: Omit<Reply, 'id'>;
      try {
        const request = JSON.parse(line) as Request;
        id = request.id;
        reply = answer(request);
      } catch (error) {
        reply = { error: messageOf(error) };
      }
      socket.write(`${JSON.stringify({ id, ...reply })}\n`);
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
  server.listen(controlPath, () => chmodSync(controlPath, 0o600));

  let lonelySince = performance.now();
  setInterval(() => {
    if (control !== undefined || holder.listeners > 0) lonelySince = performance.now();
    if (retired ? holder.connections > 0 : performance.now() - lonelySince < lonelyMs) return;
    if (!retired) unlinkQuietly(controlPath);
    process.exit(0);
  }, 1_000);
  loop.run();
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

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else has cleaned up.
  }
}
