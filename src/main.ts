#!/usr/bin/env node
/** The tsbridge command. */
import { dispatch } from './cli/dispatch.js';

// Not process.exit(): what has been written must still reach a pipe.
process.exitCode = await dispatch(process.argv.slice(2), {
  environment: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
