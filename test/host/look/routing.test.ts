/** FRR as the doctor reads it: its file, its daemons, and what vtysh answers. */
import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readRouting } from '../../../src/host/look/doctor/routing.js';

const config = 'router bgp 65001\n redistribute connected\n';
const running = `Building configuration...\n\nCurrent configuration:\n${config}end\n`;

/** A folder like /proc, with processes of these names in this network namespace, and an ospfd in another one. */
function procWith(t: Test, ...names: readonly string[]): string {
  const process = (name: string, namespace = 'net:[1]') => ({
    comm: `${name}\n`,
    ns: { net: t.fixture('symlink', namespace) },
  });
  return t.testdir({
    self: process('doctor'),
    ...Object.fromEntries(names.map((name, index) => [String(index + 2), process(name)])),
    90: process('ospfd', 'net:[2]'),
    91: {},
    'frr.conf': config,
  });
}

t.test('a host with FRR', async (t) => {
  const proc = procWith(t, 'zebra', 'bgpd', 'bgpd', 'sh');
  const asked: string[] = [];
  const routing = await readRouting(join(proc, 'frr.conf'), proc, async (words) => {
    asked.push(words);
    return words.endsWith('config') ? running : '{"10.9.1.0/26":[]}';
  });
  t.strictSame(routing.daemons, ['bgpd', 'zebra']);
  t.strictSame(routing.written.protocols, ['bgp']);
  t.strictSame(routing.running?.redistributed, [
    { protocol: 'bgp', family: 4, source: 'connected' },
  ]);
  t.equal(routing.routes?.length, 2);
  t.strictSame(asked.sort(), [
    'show ip route connected json',
    'show ip route kernel json',
    'show running-config',
  ]);
});

t.test('no zebra: vtysh is not asked', async (t) => {
  const proc = procWith(t, 'bgpd');
  const routing = await readRouting(join(proc, 'frr.conf'), proc, async () => {
    throw new Error('asked');
  });
  t.strictSame(Object.keys(routing).sort(), ['daemons', 'written']);
});

t.test('an answer of vtysh that cannot be read is left out', async (t) => {
  const proc = procWith(t, 'zebra', 'bgpd');
  for (const answer of ['', '% Unknown command.', '[]', 'null', '\u0000\ufffd', '"x"']) {
    const routing = await readRouting(join(proc, 'frr.conf'), proc, async () => answer);
    t.strictSame(Object.keys(routing).sort(), ['daemons', 'written'], answer);
  }
});

t.test('a frr.conf that cannot be read counts as an empty one', async (t) => {
  const proc = procWith(t, 'bgpd');
  const huge = join(proc, 'frr.conf');
  truncateSync(huge, 33 * 1024 * 1024);
  const pipe = join(proc, 'pipe');
  spawnSync('mkfifo', [pipe]);
  for (const path of [huge, pipe, proc, join(proc, 'none'), '/dev/zero']) {
    const { written } = await Promise.race([
      readRouting(path, proc),
      setTimeout(5_000, { written: undefined }, { ref: false }),
    ]);
    t.strictSame(written, { protocols: [], redistributed: [], lists: [] }, path);
  }
});
