#!/usr/bin/env -S node --disable-sigusr1 --heap-growing-percent=20 --max-semi-space-size=4 --initial-heap-size=48
/**
 * The tsbridge command, with the flags that it needs in the first line; scripts/install and the tests take
 * them from there. `--disable-sigusr1`: without it, that signal opens Node's debugger on a port of
 * 127.0.0.1, to every local user and as root. The others keep the daemon's heap small: by itself V8
 * goes by the memory of the machine, and lets 40 MB of garbage lie after a thousand ports.
 */
import './no-debugger.js';
import { dispatch } from './cli/dispatch.js';

// Not process.exit(): what has been written must still reach a pipe.
process.exitCode = await dispatch(process.argv.slice(2), {
  environment: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  ...(process.stdin.isTTY && { ask }),
});

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}
