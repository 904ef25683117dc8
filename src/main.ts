#!/usr/bin/env -S node --max-semi-space-size=2
/**
 * The tsbridge command. The first line has V8 clear away short-lived objects after 2 MB of them in place of
 * 16: the daemon stays 20 MB smaller, and is no slower. scripts/install takes its flags from there.
 */
import { dispatch } from './cli/dispatch.js';

// Not process.exit(): what has been written must still reach a pipe.
process.exitCode = await dispatch(process.argv.slice(2), {
  environment: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
