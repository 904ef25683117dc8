/**
 * On Docker 20.10 the host looks as with the built-in driver, after each step.
 */
import { compare } from '../lab/compare.js';
import { runsOf } from '../lab/parity-runs.js';

await compare(runsOf('20.10'));
