import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fields } from '../../src/config/fields.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'systemd');
const service = readFileSync(join(folder, 'tsbridge.service'), 'utf8');
const socket = readFileSync(join(folder, 'tsbridge.socket'), 'utf8');
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
  t.strictSame(valuesOf(service, 'RuntimeDirectory'), [fields.runtimeDir.fallback.slice(5)]);
  t.end();
});

t.test('the units order docker.service after tsbridge', (t) => {
  t.strictSame(valuesOf(service, 'Before'), ['docker.service']);
  t.strictSame(valuesOf(socket, 'Before'), ['docker.service']);
  t.strictSame(valuesOf(socket, 'SocketMode'), ['0600']);
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
  for (const unit of ['tsbridge.service', 'tsbridge.socket']) {
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

t.test('systemd-analyze rates the exposure of the service at 4.0 at most', { skip }, (t) => {
  const { status, stdout } = spawnSync(
    'systemd-analyze',
    [
      'security',
      '--offline=true',
      '--threshold=40',
      '--no-pager',
      join(folder, 'tsbridge.service'),
    ],
    { encoding: 'utf8' },
  );
  t.equal(status, 0, stdout.split('\n').find((line) => line.includes('Overall')) ?? '');
  t.end();
});
