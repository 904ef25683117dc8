/** Programs that the packaging needs: no shell, and what they say is part of the error. */
import { execa } from 'execa';

/** How well to compress: `small` is what is published; `quick` takes seconds, for tests. */
export type Effort = 'small' | 'quick';

/** @returns what the program printed on standard output */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { stdout } = await execa(program, args, { stdin: 'ignore', ...options });
  return stdout;
}
