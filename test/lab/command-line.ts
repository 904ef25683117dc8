/** Runs tsbridge's command line on the host of a lab. */
import type { Lab } from './lab.js';
import { NODE } from './process.js';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function tsbridge(lab: Lab, ...args: string[]): Promise<Said> {
  const script = '"$@" 2>/tmp/said; echo "exit $?"; cat /tmp/said';
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args];
  const all = await lab.exec(['sh', '-c', script, 'sh', ...command]);
  const [, out = '', code, err = ''] = /^(.*)exit (\d+)\n(.*)$/s.exec(all) ?? [];
  return { code: Number(code), out, err };
}
