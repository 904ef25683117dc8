/** Reads answers of the daemon that are no JSON document: streams of lines, and metrics. */
import { type IncomingMessage, request } from 'node:http';
import { AdminError, adminSocketName, type DaemonAddress, unreachable } from './admin-client.js';

export interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

const mostBytes = 64 * 1024 * 1024;

/** @throws {AdminError} */
export async function daemonText(
  daemon: DaemonAddress,
  path: string,
  end?: AbortSignal,
): Promise<TextAnswer> {
  const response = await open(daemon, path, end);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > mostBytes) throw new AdminError('the daemon answers without an end', true);
    parts.push(part);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}

/**
 * Yields the lines of an answer, until the daemon ends it or the signal does. The next line is read only when the caller
 * asks for it: the socket's buffer then makes the daemon wait, which keeps nothing for a slow reader.
 *
 * @param goesOn true: the answer has no end, and is silent while nothing happens
 * @throws {AdminError} if the daemon does not answer, refuses, or ends in the middle of a line or of an endless answer
 */
export async function* daemonLines(
  daemon: DaemonAddress,
  path: string,
  end: AbortSignal,
  goesOn: boolean,
): AsyncGenerator<string, void> {
  const response = await begin(daemon, path, end, goesOn).catch((error: unknown) => {
    if (end.aborted) return undefined;
    throw error;
  });
  if (response === undefined) return;
  if (response.statusCode !== 200) throw await errorOf(response);
  let rest = '';
  try {
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    if (!end.aborted) throw unreachable(socketOf(daemon), error as NodeJS.ErrnoException);
  }
}

async function begin(
  daemon: DaemonAddress,
  path: string,
  end: AbortSignal,
  goesOn: boolean,
): Promise<IncomingMessage> {
  if (!goesOn) return open(daemon, path, end);
  // A silent daemon may hang: so it is asked something that it answers at once if it does not.
  await daemonText(daemon, '/health/live', end);
  return open({ ...daemon, timeoutMs: 0 }, path, end);
}

const socketOf = ({ runtimeDir }: DaemonAddress): string => `${runtimeDir}/${adminSocketName}`;

function open(daemon: DaemonAddress, path: string, signal?: AbortSignal): Promise<IncomingMessage> {
  const { timeoutMs } = daemon;
  const socketPath = socketOf(daemon);
  return new Promise((resolve, reject) => {
    const call = request({
      ...{ socketPath, path, timeout: timeoutMs, agent: false },
      ...(signal === undefined ? {} : { signal }),
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)));
    call.on('error', (error) => reject(unreachable(socketPath, error)));
    call.on('response', resolve);
    call.end();
  });
}

async function errorOf(response: IncomingMessage): Promise<AdminError> {
  let text = '';
  for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) text += part;
  let message = text;
  try {
    message = String((JSON.parse(text) as { error?: { message?: unknown } }).error?.message);
  } catch {
    // The text is no JSON: it is the message itself.
  }
  return new AdminError(`the daemon answers: ${message}`, true);
}
