/** The engine's process on this host, as /proc shows it. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface EngineProcess {
  readonly pid: number;
  /** Without the program's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Every dockerd in the daemon's own network namespace. One that runs in a container has other networks.
 *
 * @param proc the folder to look in, `/proc`
 */
export async function findEngines(proc = '/proc'): Promise<EngineProcess[]> {
  const own = await readlink(`${proc}/self/ns/net`);
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const engines = await Promise.all(
    pids.map(async (pid): Promise<EngineProcess | undefined> => {
      try {
        if ((await readFile(`${proc}/${pid}/comm`, 'utf8')).trim() !== 'dockerd') return undefined;
        if ((await readlink(`${proc}/${pid}/ns/net`)) !== own) return undefined;
        return await readProcess(Number(pid), proc);
      } catch {
        // The process ended while it was read, or it is not ours to read.
        return undefined;
      }
    }),
  );
  return engines.filter((engine) => engine !== undefined);
}

/**
 * How a process was started.
 *
 * @throws {Error} if it is gone, or the user may not read its environment
 */
export async function readProcess(pid: number, proc = '/proc'): Promise<EngineProcess> {
  const [, ...args] = await words(`${proc}/${pid}/cmdline`);
  const environment = (await words(`${proc}/${pid}/environ`)).map((word) => {
    const [name = '', value = ''] = word.split(/=(.*)/s);
    return [name, value] as const;
  });
  return { pid, args, environment: Object.fromEntries(environment) };
}

/** What the kernel lists with a NUL after each. */
async function words(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  return text.split('\0').slice(0, -1);
}
