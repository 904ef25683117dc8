/** Without root, and too long to be waited for after each change: real processes, a thousand deaths. */
export const slow: readonly string[] = [
  'detached-promises.test.ts',
  'cli/log.test.ts',
  'cli/process.test.ts',
  'driver/crash.test.ts',
  'driver/publications/crash.test.ts',
  'frontends/libnetwork/activation.test.ts',
];
