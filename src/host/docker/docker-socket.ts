/**
 * The engine's socket. Whoever can write to it can become root on the host, so it is opened in this file alone
 * (a test holds that), which knows no other verb than GET.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { JSONParser } from '@streamparser/json';
import { messageOf } from '../../core/errors.js';
import { EngineSilent } from '../../driver/engine.js';
import { Yielding } from '../../yielding.js';

export interface Limits {
  /** For one answer, from the question to its last byte. */
  readonly timeoutMs: number;
  readonly bodyBytes: number;
  /** Questions that may wait for their turn. */
  readonly waiting: number;
}

export const defaultLimits: Limits = { timeoutMs: 10_000, bodyBytes: 32 << 20, waiting: 16 };

/** One event of the engine; labels of containers are in it. */
const lineBytes = 1 << 20;
/** Bytes of JSON that are parsed in one piece: a fifth of a millisecond. */
const pieceBytes = 4_096;
/** Milliseconds of parsing before others get their turn, short since calls of the engine come first. */
const turnMs = 2;

export interface Head {
  /** The engine's highest version of its API, as `1.41`. */
  readonly apiVersion: string | undefined;
}

/** A connection that goes on. */
export interface Stream {
  readonly ended: Promise<void>;
  close(): void;
}

export class DockerSocket {
  /** One question at a time: those of an engine that is slow do not pile up in it. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #open = new Set<ClientRequest>();
  #closed = false;
  #answered = 0;
  #failed = 0;
  #lastAnswered: boolean | undefined;

  constructor(
    private readonly path: string,
    private readonly limits: Limits = defaultLimits,
  ) {}

  /**
   * Asks, and hands over each element of the answer's list, or the answer itself if it is no list.
   *
   * @param read may throw: that counts as no answer
   * @param connected is shown the connection while it is open
   * @throws {EngineSilent}
   */
  get(
    path: string,
    read: (value: unknown) => void,
    connected: (socket: Socket) => Promise<void> = async () => undefined,
  ): Promise<Head> {
    return this.#inTurn(path, async () => {
      const call = this.#begin(path);
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        call.destroy(new Error('late'));
      }, this.limits.timeoutMs);
      try {
        const response = await answerTo(call);
        await connected(response.socket);
        await this.#readBody(response, read);
        return headOf(response);
      } catch (error) {
        throw late ? new Error(`no answer within ${this.limits.timeoutMs / 1_000} s`) : error;
      } finally {
        clearTimeout(timer);
        call.destroy();
      }
    });
  }

  /**
   * Follows an answer that has no end, a JSON value on each line. Resolves when it has begun.
   *
   * @param read must not throw
   * @throws {EngineSilent}
   */
  stream(path: string, read: (value: unknown) => void): Promise<Stream> {
    return this.#inTurn(path, async () => {
      const call = this.#begin(path);
      const timer = setTimeout(
        () => call.destroy(new Error(`no answer within ${this.limits.timeoutMs / 1_000} s`)),
        this.limits.timeoutMs,
      );
      try {
        const response = await answerTo(call);
        if (response.statusCode !== 200) throw await this.#errorOf(response);
        return {
          // An engine that ends, or sends what is no JSON, ends the stream: the caller begins again.
          ended: followLines(response, read).then(
            () => call.destroy() && undefined,
            () => call.destroy() && undefined,
          ),
          close: () => call.destroy(),
        };
      } catch (error) {
        call.destroy();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    });
  }

  /** Since the start; those that were refused as too many are not among them. */
  get questions() {
    return { answered: this.#answered, failed: this.#failed, lastAnswered: this.#lastAnswered };
  }

  /** Ends every connection, and refuses further questions. */
  close(): void {
    this.#closed = true;
    for (const call of this.#open) call.destroy(new Error('the daemon stops'));
  }

  #begin(path: string): ClientRequest {
    if (this.#closed) throw new Error('the daemon stops');
    const call = request({
      socketPath: this.path,
      path,
      headers: { host: 'docker' },
      agent: false,
    });
    // `answerTo` tells of a failure; this is for one that comes later.
    call.on('error', () => undefined);
    this.#open.add(call);
    call.once('close', () => this.#open.delete(call));
    call.end();
    return call;
  }

  async #inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.limits.waiting) {
      throw new EngineSilent(
        `asking the engine for ${path}: too many questions wait for an answer`,
      );
    }
    this.#waiting += 1;
    const own = this.#last.then(work);
    this.#last = own.catch(() => undefined);
    try {
      const answer = await own;
      this.#answered += 1;
      this.#lastAnswered = true;
      return answer;
    } catch (error) {
      this.#failed += 1;
      this.#lastAnswered = false;
      const message = `asking the engine at ${this.path} for ${path}: ${messageOf(error)}`;
      throw new EngineSilent(message, { cause: error });
    } finally {
      this.#waiting -= 1;
    }
  }

  async #readBody(response: IncomingMessage, read: (value: unknown) => void): Promise<void> {
    if (response.statusCode !== 200) throw await this.#errorOf(response);
    if (!/^application\/json\b/.test(response.headers['content-type'] ?? '')) {
      // `OK`, for a ping.
      for await (const _ of this.#bounded(response));
      return;
    }
    await parseInPieces(this.#bounded(response), read);
  }

  async *#bounded(response: IncomingMessage): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > this.limits.bodyBytes) {
        throw new Error(`the answer is longer than ${this.limits.bodyBytes} bytes`);
      }
      yield chunk;
    }
    if (!response.complete) throw new Error('the answer is cut off');
  }

  async #errorOf(response: IncomingMessage): Promise<Error> {
    let message = '';
    for await (const chunk of this.#bounded(response)) {
      message += chunk.toString('latin1');
      if (message.length > 500) break;
    }
    return new Error(`status ${response.statusCode}: ${message.slice(0, 500).trim()}`);
  }
}

/**
 * Parses a JSON document as it comes, two milliseconds at a time: the list of a thousand containers has two
 * megabytes. Elements of a list at the top are handed over one by one.
 */
async function parseInPieces(
  body: AsyncIterable<Buffer>,
  read: (value: unknown) => void,
): Promise<void> {
  const yielding = new Yielding(undefined, turnMs);
  let parser: JSONParser | undefined;
  for await (const chunk of body) {
    for (let from = 0; from < chunk.length; from += pieceBytes) {
      const piece = chunk.subarray(from, from + pieceBytes);
      parser ??= parserFor(piece, read);
      parser?.write(piece);
      await yielding.pause();
    }
  }
  if (!parser?.isEnded) throw new Error('the answer is no whole JSON document');
}

/** undefined while there is nothing but white space. */
function parserFor(start: Buffer, read: (value: unknown) => void): JSONParser | undefined {
  const first = start.find((byte) => byte > 0x20);
  if (first === undefined) return undefined;
  const isList = first === '['.charCodeAt(0);
  const parser = new JSONParser({ paths: [isList ? '$.*' : '$'], keepStack: false });
  parser.onValue = ({ value }) => read(value);
  parser.onError = (error) => {
    throw error;
  };
  return parser;
}

async function followLines(
  response: IncomingMessage,
  read: (value: unknown) => void,
): Promise<void> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineBytes) throw new Error('a line without end');
    for (const line of lines) if (line.trim() !== '') read(JSON.parse(line));
  }
}

function answerTo(call: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.once('response', resolve);
    call.once('error', reject);
  });
}

function headOf({ headers }: IncomingMessage): Head {
  const version = headers['api-version'];
  return { apiVersion: typeof version === 'string' ? version : undefined };
}
