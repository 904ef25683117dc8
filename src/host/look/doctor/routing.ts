/**
 * Reads FRR's configuration and routes on this host, for `tsbridge doctor`: by its program vtysh, with commands that
 * change nothing.
 */
import { constants } from 'node:fs';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { parseFrrConfig, parseFrrRoutes, parseRunningConfig } from '../../../codec/frr-config.js';
import type { RoutingFacts } from '../../../core/doctor/routing-facts.js';
import { runCommand } from '../../process/exec.js';

const ofFrr: ReadonlySet<string> = new Set(['zebra', 'bgpd', 'ospfd']);

const limits = { timeoutMs: 5_000 };

/** The largest frr.conf that is read. FRR itself has no limit; 100,000 lines of prefix lists have 6 MB. */
const mostBytes = 32 * 1024 * 1024;

const vtysh = async (words: string): Promise<string> =>
  (await runCommand('vtysh', ['-c', words], limits)).stdout;

/** Reads all of it. `running` and `routes` are absent if vtysh cannot be run, or may not be asked. */
export async function readRouting(
  file = '/etc/frr/frr.conf',
  proc = '/proc',
  ask = vtysh,
): Promise<RoutingFacts> {
  const [daemons, text] = await Promise.all([daemonsIn(proc), readConfig(file).catch(() => '')]);
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
    answer('show running-config', parseRunningConfig),
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

/**
 * The file's text.
 *
 * @throws {Error} if it cannot be read, is no regular file, or has more than {@link mostBytes}
 */
async function readConfig(path: string): Promise<string> {
  // If the path is a FIFO, opening it without O_NONBLOCK would wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > mostBytes) throw new Error(`${path} is no configuration`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Names of FRR's daemons that run in the network namespace of this process, each once. */
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
        // The process has ended meanwhile, or this user may not read it.
        return [];
      }
    }),
  );
  return [...new Set(names.flat())].sort();
}
