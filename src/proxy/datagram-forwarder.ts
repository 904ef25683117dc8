/** A published UDP port: each client has a socket of its own to the container. */
import dgram from 'node:dgram';
import { familyOf } from '../core/address.js';
import type { PortBinding } from '../core/port.js';
import type { Forwarder } from './stream-forwarder.js';

/** As docker-proxy. */
const idleMs = 90_000;
/** For one port: a flood of made-up clients must not take all descriptors. */
const maxSessions = 4_096;

interface Session {
  readonly socket: dgram.Socket;
  /** What came before the socket was connected. */
  early: Buffer[] | undefined;
  lastUsed: number;
}

/** `fd` is bound; it belongs to the forwarder from here on. */
export function forwardDatagrams(fd: number, binding: PortBinding, idle = idleMs): Forwarder {
  const sessions = new Map<string, Session>();
  const server = dgram.createSocket({ type: typeOf(binding.hostIp) });
  const end = (key: string, session: Session): void => {
    if (sessions.get(key) !== session) return;
    sessions.delete(key);
    session.socket.close();
  };
  const begin = (key: string, client: dgram.RemoteInfo): Session => {
    const socket = dgram.createSocket({ type: typeOf(binding.containerIp) });
    const session: Session = { socket, early: [], lastUsed: Date.now() };
    socket.on('message', (message) => {
      session.lastUsed = Date.now();
      server.send(message, client.port, client.address, () => undefined);
    });
    // ECONNREFUSED: the container does not listen (yet). The client will try again.
    socket.on('error', () => end(key, session));
    socket.connect(binding.containerPort, binding.containerIp, () => {
      const { early } = session;
      session.early = undefined;
      for (const message of early ?? []) socket.send(message, () => undefined);
    });
    sessions.set(key, session);
    return session;
  };
  server.on('message', (message, client) => {
    const key = `${client.address} ${client.port}`;
    let session = sessions.get(key);
    if (session === undefined) {
      const [oldest] = sessions.size >= maxSessions ? sessions : [];
      if (oldest !== undefined) end(...oldest);
      session = begin(key, client);
    }
    session.lastUsed = Date.now();
    if (session.early !== undefined) session.early.push(message);
    else session.socket.send(message, () => undefined);
  });
  server.on('error', () => undefined);
  server.bind({ fd });
  const sweep = setInterval(() => {
    const before = Date.now() - idle;
    for (const [key, session] of sessions) if (session.lastUsed < before) end(key, session);
  }, idle / 4);
  sweep.unref();
  return {
    close() {
      clearInterval(sweep);
      server.close();
      for (const [key, session] of sessions) end(key, session);
    },
    get active() {
      return sessions.size;
    },
  };
}

const typeOf = (ip: PortBinding['hostIp']): dgram.SocketType =>
  familyOf(ip) === 4 ? 'udp4' : 'udp6';
