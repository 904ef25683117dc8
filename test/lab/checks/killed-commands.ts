/** `trace` and `connectivity-test` on an engine, killed with SIGKILL at random moments: nothing of them stays. */
import { newSeed, Random } from '../../fuzz/random.js';
import type { Test } from '../fixture.js';
import type { Lab } from '../lab.js';
import { NODE, until } from '../process.js';

const kills = 4;

/** Runs a command of tsbridge for so many milliseconds, then kills it. */
async function killed(lab: Lab, afterMs: number, ...args: string[]): Promise<void> {
  const timeout = ['timeout', '-s', 'KILL', String(afterMs / 1_000)];
  const command = [...timeout, ...NODE, '/opt/tsbridge/dist/main.js', ...args];
  await lab.hostNs('sh', '-c', '"$@" >/dev/null 2>&1 || true', 'sh', ...command);
}

/** What either command makes: tables that trace, interfaces, namespaces and addresses of a test, its processes. */
async function left(lab: Lab): Promise<string[]> {
  const lines = async (...command: string[]) => (await lab.hostNs(...command)).split('\n');
  const tables = await lines('nft', 'list', 'tables');
  const links = await lines('ip', '-br', 'link');
  const rules = [...(await lines('iptables-save')), ...(await lines('ip6tables-save'))];
  const processes = await lines(
    'sh',
    '-c',
    'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\000" " "',
  );
  return [
    ...tables.filter((line) => line.includes('tsbridge-trace-')),
    ...links.map((line) => line.replace(/[ @].*/, '')),
    ...rules.filter((line) => /198\.1[89]\.|fd7e:|7e57/.test(line)),
    ...(processes.join().match(/connectivity-test|main\.js trace/g) ?? []),
  ];
}

export async function checkKilled(t: Test, lab: Lab): Promise<void> {
  const seed = newSeed();
  const random = new Random(seed);
  t.comment(`FUZZ_SEED=${seed}`);
  const before = await left(lab);
  for (let kill = 0; kill < kills; kill += 1) {
    await killed(lab, 200 + random.number(1_500), 'trace', 'any', 'any', '--reply');
    // timeout(1) dies with the command that it kills, so that this can be before the kernel has closed the command's sockets.
    await until(
      `nothing to be left of a trace (FUZZ_SEED=${seed}, kill ${kill})`,
      async () => JSON.stringify(await left(lab)) === JSON.stringify(before) || undefined,
    );
  }
  for (let kill = 0; kill < kills; kill += 1) {
    await killed(lab, 300 + random.number(3_000), 'connectivity-test', '--like', 'shop');
    await until(
      `nothing to be left of a connectivity test (FUZZ_SEED=${seed}, kill ${kill})`,
      async () => JSON.stringify(await left(lab)) === JSON.stringify(before) || undefined,
      60_000,
    );
  }
  t.strictSame(await left(lab), before);
}
