/**
 * Tests on a lab of their own, each ending with the check that nothing is left.
 */
import t from 'tap';
import { Lab, type LabOptions, type Suite } from './lab.js';
import type { Tsbridge } from './tsbridge.js';

/** `LAB_DRIVER=bridge` runs the tests with the built-in driver, to see that they are right. */
export const DRIVER = process.env.LAB_DRIVER ?? 'tsbridge';

/** `LAB_SUITE=trixie` runs them on another engine than Docker 20.10. */
export const SUITE = (process.env.LAB_SUITE ?? 'bookworm') as Suite;

/** Tests that only make sense with a daemon of our own. */
export const SKIP_BUILT_IN = DRIVER === 'bridge' ? 'needs tsbridge' : false;

export interface FixtureOptions extends LabOptions {
  /** Arguments of `tsbridge daemon`. */
  tsbridgeArgs?: readonly string[];
  skip?: string | false;
}

/** The part of tap's test object that the tests here need. */
export type Test = typeof t;

/** The lab and, with tsbridge, its daemon as it was started first. */
export type Body = (t: Test, lab: Lab, daemon: Tsbridge | undefined) => Promise<void>;

/**
 * One test on one lab. Whatever the body makes it has to remove; afterwards links, rules, sockets,
 * processes and records must be what they were before. If it fails the logs are printed.
 */
export function labTest(name: string, options: FixtureOptions, body: Body): void {
  t.test(name, { skip: options.skip ?? false }, async (t) => {
    const lab = await Lab.create({ suite: SUITE, ...options });
    t.teardown(() => lab.dispose());
    try {
      const daemon =
        DRIVER === 'tsbridge' ? await lab.spawnTsbridge(options.tsbridgeArgs) : undefined;
      const before = await lab.snapshot();
      await body(t as Test, lab, daemon);
      t.strictSame(await lab.leftovers(before), [], 'nothing is left');
    } finally {
      if (!t.passing()) lab.printLogs();
    }
  });
}
