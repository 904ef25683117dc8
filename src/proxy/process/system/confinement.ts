/**
 * The proxy process keeps one of root's capabilities: binding ports below 1024. Capabilities belong to a
 * thread, and Node.js has started threads of its own before any script runs. So the main thread drops all
 * others, forbids to gain any (no_new_privs) and executes the program anew, whose threads then all lack them.
 */
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const netBindService = 10;
const setPcap = 8;
const allowed = 1n << BigInt(netBindService);
/** Set in the environment of the program that was executed anew. */
const marker = 'TSBRIDGE_PROXY_CONFINED';

/** From <linux/prctl.h> and <linux/capability.h>. */
const prSetNoNewPrivs = 38;
const prCapbsetDrop = 24;
const capabilityVersion = 0x20080522;

/** Whether neither this process nor what it might start can have more than that one capability. */
export function isConfined(status = readFileSync('/proc/self/status', 'utf8')): boolean {
  const within = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].every(
    (name) => (maskOf(status, name) & ~allowed) === 0n,
  );
  return within && /^NoNewPrivs:\s+1$/m.test(status);
}

/**
 * Does not return if the program could be executed anew. Where a sandbox refuses, the process goes on as
 * it is; {@link isConfined} tells.
 */
export function confine(): void {
  const again = process.env[marker] !== undefined;
  delete process.env[marker];
  const status = readFileSync('/proc/self/status', 'utf8');
  // As a unit of systemd it has had no more from the beginning.
  if (again || isConfined(status)) return;
  const libc = koffi.load(null);
  const prctl = libc.func('int prctl(int option, ulong a, ulong b, ulong c, ulong d)');
  const capset = libc.func('int capset(void *header, void *data)');
  const execve = libc.func('int execve(const char *file, const char **args, const char **env)');

  if ((maskOf(status, 'CapEff') & (1n << BigInt(setPcap))) !== 0n) {
    const bounding = maskOf(status, 'CapBnd') & ~allowed;
    for (let number = 0; bounding >> BigInt(number) !== 0n; number += 1) {
      if (((bounding >> BigInt(number)) & 1n) === 1n) prctl(prCapbsetDrop, number, 0, 0, 0);
    }
  }
  prctl(prSetNoNewPrivs, 1, 0, 0, 0);
  const kept = Number(maskOf(status, 'CapPrm') & allowed);
  const header = Uint32Array.of(capabilityVersion, 0);
  // Effective, permitted, inheritable; then the same for numbers above 31.
  capset(header, Uint32Array.of(kept, kept, 0, 0, 0, 0));
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1), null];
  const env = Object.entries({ ...process.env, [marker]: '1' }).map(
    ([name, value]) => `${name}=${value}`,
  );
  execve(process.execPath, args, [...env, null]);
}

function maskOf(status: string, name: string): bigint {
  const hex = new RegExp(`^${name}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1];
  return BigInt(`0x${hex ?? '0'}`);
}
