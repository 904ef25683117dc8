/**
 * A published SCTP port. splice(2) does not know SCTP, so its bytes pass through Node, which takes
 * any stream socket by its descriptor.
 */
import net from 'node:net';
import type { PortBinding } from '../../core/ports/port.js';
import type { Admission, ConnectionCount } from './admission.js';
import type { Forwarder } from './forwarder.js';
import type { Sockets } from './system/socket.js';
import type { TrafficCounts } from './traffic.js';

export interface SctpParts {
  readonly sockets: Sockets;
  readonly admission: Admission;
  readonly counts: TrafficCounts;
}

/** A container that does not answer must not keep clients for ever. */
const connectTimeoutMs = 10_000;

export class SctpForwarder implements Forwarder {
  readonly #open = new Set<net.Socket>();
  readonly #server: net.Server;

  /** `fd` is bound and listening; it belongs to the forwarder from here on. */
  constructor(
    { sockets, admission, counts }: SctpParts,
    readonly fd: number,
    { containerIp, containerPort }: PortBinding,
    owner: ConnectionCount,
  ) {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => {
      const upstream = sockets.connect('sctp', containerIp, containerPort);
      if (typeof upstream !== 'number') {
        counts.refused += 1;
        client.resetAndDestroy();
        return;
      }
      // Node.js has accepted it already, so that it cannot wait in the kernel's queue: it is refused.
      if (admission.isFull(upstream, owner)) {
        counts.refused += 1;
        sockets.close(upstream);
        client.resetAndDestroy();
        return;
      }
      counts.accepted += 1;
      owner.connections += 1;
      client.once('close', () => {
        owner.connections -= 1;
      });
      const settings = { fd: upstream, allowHalfOpen: true, readable: true, writable: true };
      join(client, new net.Socket(settings), this.#open);
    });
    // EMFILE and the like: the client waits in the backlog, and the next one may find a descriptor.
    this.#server.on('error', () => undefined);
    this.#server.listen({ fd });
  }

  get active(): number {
    return this.#open.size >> 1;
  }

  stopListening(): void {
    this.#server.close();
  }

  close(): void {
    this.stopListening();
    for (const socket of this.#open) socket.destroy();
  }
}

/** Half-close passes on each way by itself; an error or a reset of one side resets the other. */
function join(client: net.Socket, upstream: net.Socket, open: Set<net.Socket>): void {
  const timer = setTimeout(() => {
    // Node.js takes a socket that it has not opened for connected, and emits no `connect`. Its remote address
    // tells whether the kernel has connected it.
    if (upstream.remoteAddress === undefined) upstream.destroy(new Error('connect timeout'));
  }, connectTimeoutMs);
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    open.add(socket);
    let failed = false;
    socket.on('error', () => {
      failed = true;
    });
    socket.once('close', () => {
      clearTimeout(timer);
      open.delete(socket);
      if (failed) other.resetAndDestroy();
      else if (!other.destroyed && other.readableEnded && other.writableFinished) other.destroy();
    });
    socket.pipe(other);
  }
}
