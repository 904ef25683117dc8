import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const fs = await import('node:fs');
const { join } = await import('node:path');
const { ipForward } = await import('../../src/core/network/sysctls.js');
const { SysctlFiles } = await import('../../src/host/sysctl.js');

type SysctlPath = typeof ipForward;
const sysctls = new SysctlFiles();

t.test("settings are those of the daemon's own network namespace", async (t) => {
  t.equal(await sysctls.write(ipForward, '0'), true);
  t.equal(await sysctls.read(ipForward), '0');
  t.equal(await sysctls.write(ipForward, '1'), true);
  t.equal(fs.readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'), '1\n');
});

t.test('a file that the kernel does not have', async (t) => {
  const path = 'net/ipv4/conf/nosuch/route_localnet' as SysctlPath;
  t.equal(await sysctls.read(path), undefined);
  t.equal(await sysctls.write(path, '1'), false);
  t.notOk(fs.existsSync(`/proc/sys/${path}`));
});

t.test('a value that is there already is not written', async (t) => {
  const root = t.testdir({ net: { file: '1\n' } });
  const path = 'net/file' as SysctlPath;
  const other = new SysctlFiles(root);
  t.equal(await other.write(path, '1'), true);
  t.equal(fs.readFileSync(join(root, path), 'utf8'), '1\n', 'not a byte of it changed');
  t.equal(await other.write('net/new' as SysctlPath, '1'), false);
  t.notOk(fs.existsSync(join(root, 'net/new')), 'no file is made');
});

t.test('a setting whose value the kernel refuses is an error', async (t) => {
  await t.rejects(sysctls.write(ipForward, 'x'), {
    code: 'sysctl-failed',
    message: /setting \/proc\/sys\/net\/ipv4\/ip_forward to x: write: invalid argument/,
  });
});

t.test('a read-only /proc/sys is an error that says so', async (t) => {
  run('mount', ['--bind', '/proc/sys', '/proc/sys']);
  run('mount', ['-o', 'remount,bind,ro', '/proc/sys']);
  await t.rejects(sysctls.write(ipForward, '0'), {
    code: 'sysctl-failed',
    message: /read-only file system.*privileged/,
  });
  t.equal(await sysctls.write(ipForward, '1'), true, 'what is right already is no failure');
});
