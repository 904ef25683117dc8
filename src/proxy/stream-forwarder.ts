/** A published TCP or SCTP port: each client's connection is joined to one to the container. */
import net from 'node:net';
import type { PortBinding } from '../core/port.js';
import type { Sockets } from './socket.js';

/** A container that does not answer a SYN must not keep clients for ever. */
const connectTimeoutMs = 10_000;

export interface Forwarder {
  /** Ends the listener and everything that came in by it. */
  close(): void;
  /** Connections or sessions now. */
  readonly active: number;
}

/** `fd` is bound and listening; it belongs to the forwarder from here on. */
export function forwardStreams(fd: number, binding: PortBinding, sockets: Sockets): Forwarder {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = dial(binding, sockets);
    if (upstream === undefined) {
      client.resetAndDestroy();
      return;
    }
    join(client, upstream, open);
  });
  // EMFILE and the like: the client waits in the backlog, and the next one may find a descriptor.
  server.on('error', () => undefined);
  server.listen({ fd });
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
    get active() {
      return open.size >> 1;
    },
  };
}

function dial(binding: PortBinding, sockets: Sockets): net.Socket | undefined {
  const { protocol, containerIp, containerPort } = binding;
  if (protocol === 'tcp') {
    const options = { host: containerIp, port: containerPort, allowHalfOpen: true, noDelay: true };
    return net.connect(options);
  }
  // Node takes any stream socket by its descriptor; connecting an SCTP one it cannot.
  const fd = sockets.connect(protocol, containerIp, containerPort);
  if (typeof fd !== 'number') return undefined;
  return new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
}

/** Half-close passes on each way by itself; an error or a reset of one side resets the other. */
function join(client: net.Socket, upstream: net.Socket, open: Set<net.Socket>): void {
  const timer = setTimeout(() => {
    // There is no `connect` event for SCTP: a socket that was opened elsewhere counts as connected.
    // Whether it is, the kernel knows.
    if (upstream.remoteAddress === undefined) upstream.destroy(new Error('connect timeout'));
  }, connectTimeoutMs);
  upstream.once('connect', () => clearTimeout(timer));
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
