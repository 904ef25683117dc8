/** Docker's front end on a real unix socket, and a client that sends it bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createServer, type ServerSettings } from '../../src/frontends/libnetwork/server.js';
import { endpointId, networkId } from '../fakes/inputs.js';
import { type DriverCall, RecordingDriver } from '../fakes/recording-driver.js';
import { RecordingLog } from '../fakes/recording-log.js';

export const leaveBody = `{"NetworkID":"${networkId}","EndpointID":"${endpointId}"}\n`;

/** Not tap's: a socket's path may have 107 bytes. */
export function folderFor(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As Go writes it: no Content-Type; `host` empty before 20.10.26. */
export const request = (method: string, body: string, host = '') =>
  `POST /${method} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Go-http-client/1.1\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n` +
  `Accept: application/vnd.docker.plugins.v1.2+json\r\nAccept-Encoding: gzip\r\n\r\n${body}`;

export async function setUp(
  t: Test,
  behave?: (call: DriverCall) => unknown,
  settings: Partial<ServerSettings> = {},
) {
  const driver = new RecordingDriver(behave);
  const log = new RecordingLog();
  const path = join(folderFor(t), 'plugins', 'tsbridge.sock');
  const server = createServer({ driver, log, deadlineMs: 60_000, ...settings });
  await server.listen({ path });
  t.teardown(() => server.close());
  return { driver, log, path, server };
}

/** One connection: sends bytes, and reads as many answers as are asked for. */
export class Client {
  #text = '';
  #wake = (): void => undefined;
  ended = false;

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  static async open(path: string, t: Test): Promise<Client> {
    const socket = connect(path);
    t.teardown(() => socket.destroy());
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Client(socket);
  }

  /** Status and JSON of the next answer; undefined if the connection ends before. */
  async answer(): Promise<{ status: number; json: unknown } | undefined> {
    for (;;) {
      const found = /^HTTP\/1\.1 (\d+) [\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n/i.exec(
        this.#text,
      );
      const end = (found?.[0].length ?? 0) + Number(found?.[2]);
      if (found !== null && this.#text.length >= end) {
        const json = JSON.parse(this.#text.slice(found[0].length, end));
        this.#text = this.#text.slice(end);
        return { status: Number(found[1]), json };
      }
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async closed(): Promise<void> {
    if (!this.ended) await new Promise((resolve) => this.socket.once('close', resolve));
  }
}
