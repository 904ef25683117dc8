/**
 * netavark (Podman's network program) from Debian's package, unpacked and never installed: its set-up and tear-down of
 * a container's published ports, beside ours. It needs the C library of the same Debian.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { run } from '../test/process/netns.js';

const exec = promisify(execFile);

/** Debian keeps only the newest of each release: raise these when the file is gone. */
const version = '1.17.2-3';
const sha256 = '5d810107d0910a2b538eab2d51eba78390ca58f8193a57f75f737843ac194553';
const mirror = process.env.TSBRIDGE_DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';
const url = `${mirror}/pool/main/n/netavark/netavark_${version}_amd64.deb`;

export const netavarkVersion = version;

/** The command to run it with; downloads once, before the caller moves to a namespace without a network. */
export async function fetchNetavark(): Promise<string[]> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tsbridge');
  const folder = join(cache, `netavark-${version}`);
  if (!existsSync(folder)) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status} (see bench/netavark.ts)`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const sum = createHash('sha256').update(bytes).digest('hex');
    if (sum !== sha256) throw new Error(`${url} has another checksum: ${sum}`);
    const temporary = `${folder}.${process.pid}`;
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(temporary, { recursive: true });
    writeFileSync(join(temporary, 'package.deb'), bytes);
    await exec('dpkg-deb', ['-x', join(temporary, 'package.deb'), temporary]);
    renameSync(temporary, folder);
  }
  const script = fileURLToPath(new URL('../scripts/engine-root', import.meta.url));
  const { stdout } = await exec(script, ['forky'], { timeout: 600_000 });
  const root = stdout.trim();
  const libraries = `${root}/usr/lib/x86_64-linux-gnu`;
  const loader = `${libraries}/ld-linux-x86-64.so.2`;
  return [loader, '--library-path', libraries, `${folder}/usr/lib/podman/netavark`];
}

const network = 'bench';

/** A container with TCP ports from `first` on, each a mapping of its own, as `podman run -p` makes them. */
function options(first: number, count: number): string {
  return JSON.stringify({
    container_id: 'c'.repeat(64),
    container_name: 'bench',
    port_mappings: Array.from({ length: count }, (_, index) => ({
      host_ip: '',
      container_port: 1 + index,
      host_port: first + index,
      range: 1,
      protocol: 'tcp',
    })),
    networks: { [network]: { static_ips: ['10.251.0.2'], interface_name: 'eth0' } },
    network_info: {
      [network]: {
        name: network,
        id: 'd'.repeat(64),
        driver: 'bridge',
        network_interface: 'netavark0',
        subnets: [{ subnet: '10.251.0.0/24', gateway: '10.251.0.1' }],
        ipv6_enabled: false,
        internal: false,
        dns_enabled: false,
        ipam_options: { driver: 'host-local' },
      },
    },
  });
}

export interface NetavarkTimes {
  readonly setup: number;
  readonly teardown: number;
}

/** One container that comes and goes, in the namespace of the caller. Milliseconds. */
export async function measureNetavark(
  command: readonly string[],
  firstPort: number,
  count: number,
): Promise<NetavarkTimes> {
  const namespace = 'bench-netavark';
  run('ip', ['netns', 'add', namespace]);
  try {
    const input = options(firstPort, count);
    const step = (what: 'setup' | 'teardown') =>
      timed([...command, '--config', '/run/netavark', what, `/run/netns/${namespace}`], input);
    return { setup: await step('setup'), teardown: await step('teardown') };
  } finally {
    run('ip', ['netns', 'del', namespace]);
  }
}

async function timed([file = '', ...args]: readonly string[], input: string): Promise<number> {
  const from = performance.now();
  const env = { ...process.env, NETAVARK_FW: 'nftables' };
  const child = spawn(file, args, { env, stdio: ['pipe', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.on('data', (text) => {
    words += String(text);
  });
  child.stdin.end(input);
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error(`netavark: ${words}`);
  return performance.now() - from;
}
