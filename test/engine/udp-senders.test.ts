/**
 * Fifty UDP senders that never stop (netflow, syslog), while their receivers are made, restarted, replaced and
 * connected, and while rules go and come: in the end each receiver sees its sender's own address.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DRIVER, labTest, SKIP_BUILT_IN, type Test } from '../lab/fixture.js';
import { ADDRESSES, type Lab, type Suite } from '../lab/lab.js';
import { LabProcess, NODE, until } from '../lab/process.js';

const lines = '/opt/tsbridge/test/lab/udp-lines.mjs';
const names = Array.from({ length: 5 }, (_, index) => `receiver${index}`);
const portsEach = 10;
const first = 5_000;

/** One container with ten receivers. */
function start(lab: Lab, name: string): Promise<string> {
  const port = first + names.indexOf(name) * portsEach;
  return lab.run({
    name,
    network: 'app',
    publish: [`${port}-${port + portsEach - 1}:53-${52 + portsEach}/udp`],
    args: ['-v', '/usr:/usr:ro', '-v', '/opt/tsbridge:/opt/tsbridge:ro'],
    command: ['/usr/bin/node', lines, 'receive', '53', String(portsEach)],
  });
}

const each = (act: (name: string) => Promise<unknown>): Promise<unknown> =>
  Promise.all(names.map(act));

/** And the flows that remember them; what is not about ports stays. */
async function loseRules(lab: Lab): Promise<void> {
  await lab.hostNs('sh', '-c', 'iptables-save -t nat | grep -v DNAT | iptables-restore -T nat');
  await lab.hostNs('conntrack', '-D', '-p', 'udp').catch(() => undefined);
}

/** Addresses seen by the receivers that began to count after `begun` (milliseconds of the monotonic clock). */
async function seen(lab: Lab, begun: number): Promise<string[][]> {
  const found = await Promise.all(
    names.map(async (name) => {
      const { State } = await lab.inspect(name);
      const text = await readFile(lab.path(`/proc/${State.Pid}/root/tmp/seen`), 'utf8');
      const told = JSON.parse(text) as { since: number; seen: Record<string, string[]> };
      // The file outlives a restart, and one written a moment ago may tell of the time before `begun`.
      return told.since > begun ? Object.values(told.seen) : [];
    }),
  );
  return found.flat();
}

async function allSeeTheirSenders(t: Test, lab: Lab, after: string): Promise<void> {
  let last: string[][] = [];
  const begun = Number(process.hrtime.bigint() / 1_000_000n);
  const right = await until(`receivers to see their senders after ${after}`, async () => {
    last = await seen(lab, begun).catch(() => []);
    const all = last.length === names.length * portsEach;
    return (all && last.every((peers) => peers.join() === ADDRESSES.lan)) || undefined;
  }).catch(() => false);
  t.ok(right, `after ${after}`, { found: last });
}

for (const suite of ['bookworm', 'forky'] as const satisfies readonly Suite[]) {
  labTest(`UDP senders that do not stop, ${suite}`, { suite }, async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'app');
    await lab.docker('network', 'create', '-d', DRIVER, 'other');
    const count = String(names.length * portsEach);
    const command = [...NODE, lines, 'send', ADDRESSES.host, String(first), count];
    const log = join(lab.namespaces.directory, 'senders.log');
    const senders = new LabProcess(lab.namespaces.enter('lan', command), log);
    await until('the senders', () => senders.lines.includes('ready') || undefined);
    await each((name) => start(lab, name));
    await allSeeTheirSenders(t, lab, 'they were made');
    await each((name) => lab.docker('restart', '-t', '0', name));
    await allSeeTheirSenders(t, lab, 'a restart');
    await each(async (name) => {
      await lab.docker('rm', '-f', name);
      await start(lab, name);
    });
    await allSeeTheirSenders(t, lab, 'they were replaced');
    // Here containers answer while the rules come.
    await each((name) => lab.docker('network', 'disconnect', 'app', name));
    await each((name) => lab.docker('network', 'connect', 'other', name));
    await allSeeTheirSenders(t, lab, 'a move to another network');
    if (SKIP_BUILT_IN === false) {
      for (let round = 1; round <= 3; round += 1) {
        await loseRules(lab);
        await allSeeTheirSenders(t, lab, `somebody has taken the rules away (${round})`);
      }
      await lab.killTsbridge('SIGKILL');
      await loseRules(lab);
      await lab.spawnTsbridge();
      await allSeeTheirSenders(t, lab, 'a start that finds no rules');
    }
    await senders.kill();
    await lab.docker('rm', '-f', ...names);
    await lab.docker('network', 'rm', 'app', 'other');
  });
}
