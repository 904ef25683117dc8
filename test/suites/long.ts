/** Without root, and too long to be waited for after each change: real processes, a thousand deaths. */
export const slow: readonly string[] = ['driver/crash.test.ts'];
