/** A server of a connectivity test: it answers each client with the source address that it sees of the client. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { plainAddress } from './ask.js';

/** By TCP on `::`, which takes IPv4, too, and by UDP with a socket for each family. Resolves when both listen. */
export async function serve(port: number, families: readonly (4 | 6)[]): Promise<void> {
  const six = families.includes(6);
  await Promise.all([
    listen(port, six ? '::' : '0.0.0.0'),
    ...families.map((family) => receive(port, family)),
  ]);
}

function listen(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(`${plainAddress(socket.remoteAddress ?? '')}\n`);
    });
    server.once('error', reject);
    server.listen({ port, host }, resolve);
  });
}

function receive(port: number, family: 4 | 6): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
    socket.once('error', reject);
    socket.on('message', (_message, from) => {
      socket.send(from.address, from.port, from.address, () => undefined);
    });
    socket.bind({ port }, () => {
      socket.off('error', reject);
      // The kernel reports an answer that could not be delivered as an error of the socket, which ends nothing here.
      socket.on('error', () => undefined);
      resolve();
    });
  });
}
