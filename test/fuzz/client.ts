/** HTTP/1.1 by hand on a unix socket, since real clients refuse to send what is sent here. */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export class RawClient {
  #socket: Socket | undefined;
  #received = '';
  #waiting: { done: (answer: Answer) => void; failed: (error: Error) => void } | undefined;

  constructor(private readonly path: string) {}

  /** One request and its answer. The text may be anything. */
  send(text: string): Promise<Answer> {
    const socket = this.#open();
    return new Promise((done, failed) => {
      this.#waiting = { done, failed };
      socket.write(text, 'utf8');
    });
  }

  post(method: string, body: string | undefined): Promise<Answer> {
    const length = body === undefined ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    return this.send(`POST /${encodeURI(method)} HTTP/1.1\r\nHost: \r\n${length}\r\n${body ?? ''}`);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = connect(this.path);
    this.#socket = socket;
    this.#received = '';
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      if (this.#socket === socket) this.#feed(String(text));
    });
    const over = (error?: Error) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#waiting?.failed(error ?? new Error(`connection closed; got ${this.#received}`));
    };
    socket.on('error', over);
    socket.on('close', () => over());
    return socket;
  }

  #feed(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.slice(0, end);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
    const rest = Buffer.from(this.#received.slice(end + 4));
    if (rest.length < length) return;
    this.#received = rest.subarray(length).toString();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (/^connection: close/im.test(head)) this.close();
    waiting?.done({ status: Number(head.slice(9, 12)), body: rest.subarray(0, length).toString() });
  }
}
