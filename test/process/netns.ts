/**
 * Runs a test file in a network namespace of its own: the first call starts the file once more
 * under `unshare -n` and ends with its exit code; TAP and coverage pass through.
 *
 * Call it before tap is loaded, which must come by a dynamic import:
 *
 *     import { inFreshNamespace } from './netns.js';
 *     inFreshNamespace();
 *     const { default: t } = await import('tap');
 */
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';

const marker = 'TSBRIDGE_TEST_NAMESPACE';

/**
 * In the new namespace: loopback up, /sys of that namespace (a mount namespace of its own), no
 * other interface. Without root the whole file is skipped.
 */
export function inFreshNamespace(): void {
  // The namespaces that the first call was in: both must have been left, whoever set the variable,
  // or the machine's own /sys would be mounted over.
  const [net, mount] = (process.env[marker] ?? '').split(' ');
  if (net && mount && net !== namespace('net') && mount !== namespace('mnt')) {
    run('mount', ['-t', 'sysfs', 'sysfs', '/sys']);
    run('ip', ['link', 'set', 'lo', 'up']);
    return;
  }
  if (process.getuid?.() !== 0) {
    process.stdout.write('TAP version 14\n1..0 # SKIP needs root\n');
    process.exit(0);
  }
  const node = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // --kill-child: nothing is left over if this process is killed, e.g. by a time limit.
  const flags = ['--net', '--mount', '--fork', '--kill-child=KILL'];
  const { status } = spawnSync('unshare', [...flags, '--', ...node], {
    stdio: 'inherit',
    env: { ...process.env, [marker]: `${namespace('net')} ${namespace('mnt')}` },
  });
  process.exit(status ?? 1);
}

/** `net:[4026531840]` */
function namespace(kind: 'net' | 'mnt'): string {
  return readlinkSync(`/proc/self/ns/${kind}`);
}

/** Runs a program that must succeed, and answers with its output. */
export function run(file: string, args: readonly string[], input?: string): string {
  const result = spawnSync(file, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    // A listing of all rules can be longer than the megabyte that Node.js takes by itself.
    maxBuffer: 256 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(`${file} ${args.join(' ')}: exit code ${result.status}: ${result.stderr}`);
  }
  return result.stdout;
}

/** `ip -json …`, parsed. */
export function ipJson(...args: readonly string[]): Record<string, unknown>[] {
  const text = run('ip', ['-json', ...args]);
  return text.trim() === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
}

/** Whether a program can be started. */
export function isInstalled(file: string): boolean {
  return spawnSync(file, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Connects to port 9 of a host from a named namespace. @returns the error's code, `timeout` after 4 s */
export function connectionError(name: string, host: string): string {
  const script = `
    const socket = require('node:net').connect({ host: '${host}', port: 9, timeout: 4000 });
    socket.on('error', (error) => console.log(error.code));
    socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'timeout' })));`;
  return run('ip', ['netns', 'exec', name, process.execPath, '--eval', script]).trim();
}
