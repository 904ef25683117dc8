/** The README's first command, as a newcomer gives it. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { SKIP_BUILT_IN } from '../lab/fixture.js';

const run = promisify(execFile);
const demo = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url));

t.test('every step of the demo does what it says', { skip: SKIP_BUILT_IN }, async (t) => {
  // With standard error in the failure, where the demo says which step it was.
  const { stdout } = await run(process.execPath, ['--import=tsx', demo, 'bookworm', 'tsbridge'], {
    maxBuffer: 2 ** 24,
  });
  t.match(stdout, /All \d+ steps did what they said; the throwaway host is removed\./);
});
