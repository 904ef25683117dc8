/** The parts of a bundle of `tsbridge diags`, and how each is read, with and without the daemon. */
import { readdir, readFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { fieldNames, fields } from '../config/fields.js';
import { runCommand } from '../host/process/exec.js';
import type { Shape } from '../operator/diags/allowed.js';
import { type Part, Unreadable } from '../operator/diags/bundle.js';
import { parseMetrics } from '../operator/diags/metrics-text.js';
import {
  endpointRecordsShape,
  engineShape,
  eventsShape,
  healthShape,
  linksShape,
  metricsShape,
  namesShape,
  networkRecordsShape,
  routesShape,
  statusShape,
  versionsShape,
} from '../operator/diags/shapes.js';
import { readVersion } from '../version.js';
import { engineAt } from './find-names.js';

const timeoutMs = 10_000;
const mostRecords = 20_000;

/** Settings of the kernel that networks depend on. */
const settings = [
  'net/ipv4/ip_forward',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv6/conf/all/forwarding',
  'net/ipv6/conf/all/disable_ipv6',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/netfilter/nf_conntrack_max',
] as const;

export function diagsParts(
  config: Config,
  ask: <Answer>(method: 'GET', path: string) => Promise<Answer>,
  askText: (path: string) => Promise<string>,
): Part[] {
  const { stateDir, dockerSocket } = config;
  const command = (file: string, ...args: string[]) => ({
    source: [file, ...args].join(' '),
    output: async () => (await runCommand(file, args, { timeoutMs })).stdout,
  });
  const json = (name: string, shape: Shape, file: string, ...args: string[]): Part => {
    const { source, output } = command(file, ...args);
    return { name, source, shape, read: async () => JSON.parse(await output()) };
  };
  const rules = (name: string, file: string): Part => {
    const { source, output } = command(file, '-c');
    return { name, source, shape: 'rules', read: output };
  };
  const daemon = (name: string, path: string, shape: Shape): Part => ({
    ...{ name, source: `GET ${path} of the daemon`, shape, read: () => ask('GET', path) },
  });
  const text = (
    name: string,
    path: string,
    shape: Shape,
    parse: (text: string) => unknown,
  ): Part => ({
    ...{ name, source: `GET ${path} of the daemon`, shape },
    read: async () => parse(await askText(path)),
  });
  const records = (kind: 'networks' | 'endpoints', shape: Shape): Part => {
    const folder = join(stateDir, kind);
    return { name: `records/${kind}.json`, source: folder, shape, read: () => readRecords(folder) };
  };
  return [
    {
      ...{ name: 'versions.json', source: 'tsbridge and the kernel', shape: versionsShape },
      read: async () => ({
        ...{ tsbridge: await readVersion(), node: process.version },
        ...{ kernel: release(), machine: arch() },
      }),
    },
    {
      ...{ name: 'settings.json', source: "tsbridge's own settings", shape: settingsShape() },
      read: async () => config,
    },
    daemon('status.json', '/status', statusShape),
    daemon('names.json', '/v1/names', namesShape),
    text('events.json', '/v1/events', eventsShape, (lines) =>
      lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    ),
    text('metrics.json', '/metrics', metricsShape, parseMetrics),
    // The status is 503 if the daemon is not ready; the answer has the same form then.
    text('health.json', '/health/ready', healthShape, JSON.parse),
    records('networks', networkRecordsShape),
    records('endpoints', endpointRecordsShape),
    rules('rules-ipv4.txt', 'iptables-save'),
    rules('rules-ipv6.txt', 'ip6tables-save'),
    json('links.json', linksShape, 'ip', '-j', '-d', 'address'),
    json('routes-ipv4.json', routesShape, 'ip', '-j', '-4', 'route', 'show', 'table', 'all'),
    json('routes-ipv6.json', routesShape, 'ip', '-j', '-6', 'route', 'show', 'table', 'all'),
    {
      ...{ name: 'sysctls.json', source: '/proc/sys' },
      shape: Object.fromEntries(settings.map((path) => [path, ['word'] as const])),
      read: readSettings,
    },
    {
      ...{ name: 'engine.json', source: `GET /info of ${dockerSocket}`, shape: engineShape },
      async read() {
        if (dockerSocket === 'none') throw new Unreadable('the engine may not be asked');
        return engineAt(dockerSocket).info();
      },
    },
  ];
}

/** All settings of the daemon: their values are paths, numbers, addresses and fixed words, so none is withheld. */
function settingsShape(): Shape {
  return Object.fromEntries(
    fieldNames.map((name) => {
      const kind = typeof fields[name].fallback;
      return [name, kind === 'boolean' || kind === 'number' ? kind : 'word'] as const;
    }),
  );
}

async function readRecords(folder: string): Promise<unknown[]> {
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
  const texts: unknown[] = [];
  for (const name of names.sort().slice(0, mostRecords)) {
    texts.push(JSON.parse(await readFile(join(folder, name), 'utf8')));
  }
  return texts;
}

async function readSettings(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const path of settings) {
    const text = await readFile(`/proc/sys/${path}`, 'utf8').catch(() => undefined);
    if (text !== undefined) found[path] = text.trim().split(/\s+/);
  }
  return found;
}
