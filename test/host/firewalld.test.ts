/** What firewall-cmd prints. That it is asked rightly is in test/engine/firewalld.test.ts. */
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Firewalld, parseActiveZones } from '../../src/host/firewalld.js';
import { RecordingLog } from '../fakes/recording-log.js';

t.test('the active zones of firewalld are parsed from its output', async (t) => {
  const text = [
    'docker',
    '  interfaces: docker0 br-0123456789ab',
    'public',
    '  interfaces: eth0',
    '  sources: 192.0.2.0/24',
    'trusted',
    '  sources: 198.51.100.0/24',
    '',
  ].join('\n');
  t.strictSame(parseActiveZones(text), ['docker0', 'br-0123456789ab', 'eth0']);
  t.strictSame(parseActiveZones(''), []);
});

t.test('a host without firewalld has no zones to care for', async (t) => {
  const log = new RecordingLog();
  const zones = new Firewalld(log, () => false);
  const bridge = 'br-a' as Parameters<typeof zones.add>[0];
  t.strictSame(await zones.unplaced([bridge]), []);
  await zones.add(bridge);
  await zones.place([]);
  await zones.remove(bridge);
  t.strictSame(log.lines, []);
});

t.test('a removal is carried out after the additions before it', async (t) => {
  // The real one takes 200 ms, and its commands have no order of their own.
  const script = `#!/bin/sh\necho "$1 $2" >>"$LOG"\nsleep 0.05\necho done >>"$LOG"\n`;
  const directory = t.testdir({ 'firewall-cmd': t.fixture('file', script) });
  await chmod(join(directory, 'firewall-cmd'), 0o755);
  const LOG = join(directory, 'log');
  t.intercept(process, 'env', { value: { ...process.env, LOG, PATH: `${directory}:/bin` } });
  const zones = new Firewalld(new RecordingLog());
  const bridge = 'br-a' as Parameters<typeof zones.add>[0];
  await Promise.all([zones.unplaced([bridge]), zones.place([bridge]), zones.remove(bridge)]);
  t.strictSame((await readFile(LOG, 'utf8')).trim().split('\n'), [
    '--get-active-zones ',
    'done',
    '--zone=docker --add-interface=br-a',
    'done',
    '--zone=docker --remove-interface=br-a',
    'done',
  ]);
});
