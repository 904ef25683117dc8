#!/usr/bin/env -S node --disable-sigusr1 --heap-growing-percent=20 --max-semi-space-size=2 --initial-heap-size=48
/**
 * The tsbridge command, with the flags that it needs in the first line; scripts/install and the tests take
 * them from there. `--disable-sigusr1`: without it, that signal opens Node's debugger on a port of
 * 127.0.0.1, to every local user and as root. The others keep the daemon's heap small: by itself V8
 * goes by the memory of the machine, and lets 40 MB of garbage lie after a thousand ports. With a young generation of
 * twice the size, an idle daemon has 4 MB more and calls take as long.
 */
import './no-debugger.js';
import { dispatch } from './cli/dispatch.js';

const unread = new AbortController();
let lost = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the pipe has ended (`| head`): it wants no more, which is no failure.
  if (error.code !== 'EPIPE' && !lost) {
    lost = true;
    process.exitCode = 1;
    process.stderr.write(`tsbridge: what was asked for could not be written: ${error.message}\n`);
  }
  unread.abort();
});
process.stderr.on('error', () => undefined);

const code = await dispatch(process.argv.slice(2), {
  environment: process.env,
  width: process.stdout.isTTY ? process.stdout.columns : undefined,
  out: (text) => {
    if (!unread.signal.aborted) process.stdout.write(String(text));
  },
  err: (text) => process.stderr.write(String(text)),
  ...(process.stdin.isTTY && { ask }),
  interruption,
});
// exitCode in place of process.exit(), which would cut off output that has not reached the pipe yet.
process.exitCode = lost ? 1 : code;

/** From here on these signals no longer end the process by themselves. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort());
  }
  return AbortSignal.any([controller.signal, unread.signal]);
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}
