import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fields } from '../../src/config/fields.js';
import { startTimeout } from '../../src/daemon/proxy.js';
import { unitStartTimeout } from '../../src/daemon/proxy-unit.js';
import { defaultHealthTiming } from '../../src/operator/health.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'systemd');
const service = readFileSync(join(folder, 'tsbridge.service'), 'utf8');
const socket = readFileSync(join(folder, 'tsbridge.socket'), 'utf8');
const proxy = readFileSync(join(folder, 'tsbridge-proxy@.service'), 'utf8');
const skip =
  spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'no systemd-analyze here';

/** All values of a setting, in order. */
function valuesOf(unit: string, setting: string): string[] {
  return unit.split('\n').flatMap((line) => {
    return line.startsWith(`${setting}=`) ? [line.slice(setting.length + 1)] : [];
  });
}

t.test('units and defaults name the same places', (t) => {
  t.strictSame(valuesOf(socket, 'ListenStream'), [fields.socket.fallback]);
  t.strictSame(valuesOf(service, 'StateDirectory'), [fields.stateDir.fallback.slice(9)]);
  const runtime = fields.runtimeDir.fallback;
  const folders = [runtime, `${runtime}/proxy`, `${runtime}/root`].map((path) => path.slice(5));
  t.strictSame(valuesOf(service, 'RuntimeDirectory'), [folders.join(' ')]);
  t.strictSame(valuesOf(proxy, 'RootDirectory'), [`${runtime}/root`]);
  t.strictSame(valuesOf(proxy, 'BindPaths'), [`${runtime}/proxy`]);
  t.match(proxy, ` ${runtime}/proxy/%i\n`, 'the daemon names an instance by its socket');
  t.strictSame(valuesOf(service, 'Environment'), ['TSBRIDGE_PROXY_UNIT=tsbridge-proxy@']);
  t.end();
});

t.test('the units order docker.service after tsbridge', (t) => {
  t.strictSame(valuesOf(service, 'Before'), ['docker.service']);
  t.strictSame(valuesOf(socket, 'Before'), ['docker.service']);
  t.strictSame(valuesOf(socket, 'SocketMode'), ['0600']);
  t.end();
});

t.test('the process that holds ports has no tie to the unit of the daemon', (t) => {
  for (const name of ['Requires', 'BindsTo', 'PartOf', 'After', 'Wants', 'Restart']) {
    t.notMatch(valuesOf(proxy, name).join(' '), /tsbridge|always|on-/, name);
  }
  t.strictSame(valuesOf(proxy, 'CapabilityBoundingSet'), ['CAP_NET_BIND_SERVICE']);
  t.end();
});

t.test('systemd ends no start of the process that holds ports before the daemon does', (t) => {
  const [seconds] = valuesOf(proxy, 'TimeoutStartSec');
  const longest = fields.callTimeoutMs.kind.parse('600');
  t.equal(fields.callTimeoutMs.kind.parse('601'), undefined);
  t.ok(Number(seconds) * 1_000 > unitStartTimeout(startTimeout(longest ?? Number.NaN)));
  t.end();
});

t.test('systemd hears from the daemon often enough, and starts it again', (t) => {
  const [seconds] = valuesOf(service, 'WatchdogSec');
  t.ok(Number(seconds) * 1_000 >= 3 * defaultHealthTiming.periodMs);
  t.strictSame(valuesOf(service, 'Restart'), ['always']);
  t.end();
});

t.test('each capability has its reason beside it', (t) => {
  const granted = valuesOf(service, 'CapabilityBoundingSet').join(' ').split(' ').filter(Boolean);
  t.ok(granted.length > 0);
  for (const capability of granted) t.match(service, new RegExp(`^# ${capability} +\\w`, 'm'));
  t.end();
});

t.test('systemd-analyze verifies the units without a complaint', { skip }, (t) => {
  const copies = mkdtempSync(join(tmpdir(), 'tsbridge-units-'));
  t.teardown(() => rmSync(copies, { recursive: true }));
  const started = service.replace(/^ExecStart=.*$/m, 'ExecStart=/bin/sh');
  writeFileSync(join(copies, 'tsbridge.service'), started);
  writeFileSync(join(copies, 'tsbridge.socket'), socket);
  const holds = proxy.replace(/^ExecStart=.*$/m, 'ExecStart=/bin/sh');
  writeFileSync(join(copies, 'tsbridge-proxy@1.service'), holds);
  for (const unit of ['tsbridge.service', 'tsbridge.socket', 'tsbridge-proxy@1.service']) {
    const { status, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', join(copies, unit)],
      { encoding: 'utf8' },
    );
    t.equal(status, 0, stderr);
    t.notMatch(stderr, /tsbridge/, 'no warning');
  }
  t.end();
});

t.test('systemd-analyze rates the exposure of both services at 2.5 at most', { skip }, (t) => {
  for (const name of ['tsbridge.service', 'tsbridge-proxy@.service']) {
    const rate = ['security', '--offline=true', '--threshold=25', '--no-pager'];
    const { status, stdout } = spawnSync('systemd-analyze', [...rate, join(folder, name)], {
      encoding: 'utf8',
    });
    t.equal(status, 0, stdout.split('\n').find((line) => line.includes('Overall')) ?? '');
  }
  t.end();
});
