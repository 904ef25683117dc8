/** What firewall-cmd prints. That it is asked rightly is in test/engine/firewalld.test.ts. */
import t from 'tap';
import { Firewalld, parseActiveZones } from '../../src/host/firewalld.js';
import { RecordingLog } from '../helpers/recording-driver.js';

t.test('active zones', async (t) => {
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

t.test('a host without firewalld', async (t) => {
  const log = new RecordingLog();
  const zones = new Firewalld(log, () => false);
  const bridge = 'br-a' as Parameters<typeof zones.add>[0];
  t.strictSame(await zones.unplaced([bridge]), []);
  await zones.add(bridge);
  await zones.place([]);
  await zones.remove(bridge);
  t.strictSame(log.lines, []);
});
