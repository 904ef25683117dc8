#!/usr/bin/env -S node --heap-growing-percent=20 --max-semi-space-size=4 --initial-heap-size=48
/**
 * The tsbridge command. The flags in the first line keep the daemon's heap small: by itself V8 goes by the
 * memory of the machine, and lets 40 MB of garbage lie after a thousand ports. scripts/install and
 * the tests take them from here.
 */
import { dispatch } from './cli/dispatch.js';

// Not process.exit(): what has been written must still reach a pipe.
process.exitCode = await dispatch(process.argv.slice(2), {
  environment: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
