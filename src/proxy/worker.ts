/**
 * The proxy process: holds every published port of the host. It outlives the daemon, so that an
 * upgrade or a crash of the daemon costs no connection, and ends by itself when nobody needs it.
 *
 * Usage: node worker.js CONTROL_SOCKET
 */
import { chmodSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { messageOf } from '../core/errors.js';
import { controlVersion, lineSplitter, type Reply, type Request } from './control.js';
import { Holder } from './holder.js';
import { Sockets } from './socket.js';

/** Without listeners and without a daemon. */
const lonelyMs = 10_000;

export function runWorker(controlPath: string): void {
  process.title = 'tsbridge-proxy';
  const holder = new Holder(new Sockets());
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
        holder.closeAll();
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

  let lonelySince = Date.now();
  setInterval(() => {
    if (control !== undefined || holder.listeners > 0) lonelySince = Date.now();
    if (!retired && Date.now() - lonelySince < lonelyMs) return;
    if (!retired) unlinkQuietly(controlPath);
    process.exit(0);
  }, 1_000);
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
