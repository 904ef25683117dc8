/**
 * The way from a lab to npm's registry, and to nothing else: an HTTP proxy of the machine, which the lab
 * reaches through a unix socket.
 */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Namespaces } from './namespaces.js';
import { LabProcess, NODE, until } from './process.js';

const allowed = 'registry.npmjs.org:443';
const port = 3128;
const socket = '/run/registries.sock';

export interface Registries {
  /** For `https_proxy` of what runs in the host's network. */
  readonly url: string;
  close(): Promise<void>;
}

export async function openRegistries(namespaces: Namespaces): Promise<Registries> {
  const server = createServer((_request, response) => response.writeHead(403).end());
  server.on('connect', ({ url = '' }, client, head: Buffer) => {
    client.on('error', () => client.destroy());
    if (url !== allowed) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const [host = '', upstreamPort] = url.split(':');
    const upstream = connect(Number(upstreamPort), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client);
      client.pipe(upstream);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(namespaces.path(socket), resolve);
  });
  const script = '/opt/tsbridge/test/lab/registry-relay.mjs';
  const command = namespaces.enter('host', [...NODE, script, String(port), socket]);
  const relay = new LabProcess(command, `${namespaces.directory}/registries.log`);
  const close = async (): Promise<void> => {
    await relay.kill('SIGKILL');
    server.closeAllConnections();
    server.close();
  };
  try {
    await until('the way to the registries', () => {
      if (relay.ended) throw new Error(`the relay ended: ${relay.lines.join('\n')}`);
      return relay.lines.includes('ready') ? true : undefined;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, close };
}
