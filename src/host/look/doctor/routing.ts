/** Reads what FRR does on this host, for `tsbridge doctor`: questions of its own vtysh, which change nothing. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseFrrConfig, parseFrrRoutes } from '../../../codec/frr-config.js';
import type { Routing } from '../../../core/doctor/routing-facts.js';
import { runCommand } from '../../process/exec.js';

const ofFrr: ReadonlySet<string> = new Set(['zebra', 'bgpd', 'ospfd']);

const limits = { timeoutMs: 5_000 };

const vtysh = async (words: string): Promise<string> =>
  (await runCommand('vtysh', ['-c', words], limits)).stdout;

/** What cannot be asked (no vtysh, no permission) is absent. */
export async function readRouting(
  file = '/etc/frr/frr.conf',
  proc = '/proc',
  ask = vtysh,
): Promise<Routing> {
  const [daemons, text] = await Promise.all([
    daemonsIn(proc),
    readFile(file, 'utf8').catch(() => ''),
  ]);
  const written = parseFrrConfig(text);
  if (!daemons.includes('zebra')) return { daemons, written };
  const answer = async <T>(words: string, parse: (text: string) => T): Promise<T | undefined> => {
    try {
      return parse(await ask(words));
    } catch {
      return undefined;
    }
  };
  const [running, connected, kernel] = await Promise.all([
    answer('show running-config', parseFrrConfig),
    answer('show ip route connected json', parseFrrRoutes),
    answer('show ip route kernel json', parseFrrRoutes),
  ]);
  return {
    ...{ daemons, written },
    ...(running === undefined ? {} : { running }),
    ...(connected === undefined || kernel === undefined
      ? {}
      : { routes: [...connected, ...kernel] }),
  };
}

/** FRR's daemons in the network namespace of this process, each once. */
async function daemonsIn(proc: string): Promise<string[]> {
  const own = await readlink(`${proc}/self/ns/net`);
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const names = await Promise.all(
    pids.map(async (pid): Promise<string[]> => {
      try {
        const name = (await readFile(`${proc}/${pid}/comm`, 'utf8')).trim();
        if (!ofFrr.has(name) || (await readlink(`${proc}/${pid}/ns/net`)) !== own) return [];
        return [name];
      } catch {
        // It ended meanwhile, or is not ours to read.
        return [];
      }
    }),
  );
  return [...new Set(names.flat())].sort();
}
