/** Reads the host's interfaces and addresses. */
import { HostAddresses } from '../../codec/host-addresses.js';
import { parseIpJson } from '../../codec/ip-json.js';
import { runCommand } from '../process/exec.js';

const limits = { timeoutMs: 10_000 };

/** @throws {CommandError} if `ip` cannot be run */
export async function readHostAddresses(): Promise<HostAddresses> {
  const local = ['route', 'show', 'table', 'local'];
  const [addresses, four, six] = await Promise.all([
    ipJson(['address', 'show']),
    ipJson(['-4', ...local]),
    ipJson(['-6', ...local]),
  ]);
  return HostAddresses.of(addresses, [...four, ...six]);
}

async function ipJson(args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await runCommand('ip', ['-json', ...args], limits);
  return parseIpJson(stdout);
}
