/** Runs a command of tsbridge in this process, beside no daemon. */
import { dispatch } from '../../src/cli/dispatch.js';

/** @param folder without sockets and records */
export async function said(
  folder: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' };
  const where = [`--runtime-dir=${folder}`, `--state-dir=${folder}`];
  const code = await dispatch([...args, ...where], {
    environment: {},
    out: (text) => {
      texts.out += text;
    },
    err: (text) => {
      texts.err += text;
    },
  });
  return { code, ...texts };
}
