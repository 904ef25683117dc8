/** The parts of a bundle of `tsbridge diags`, and how each is read, with and without the daemon. */
import { readdir, readFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { fieldNames, fields } from '../config/fields.js';
import {
  endpointRecordsAllowed,
  engineAllowed,
  eventsAllowed,
  healthAllowed,
  metricsAllowed,
  networkRecordsAllowed,
  statusAllowed,
  versionsAllowed,
} from '../operator/diags/allow-lists.js';
import type { AllowList } from '../operator/diags/allowed.js';
import { type Part, Unreadable } from '../operator/diags/bundle.js';
import { parseMetrics } from '../operator/diags/metrics-text.js';
import { readVersion } from '../version.js';
import { explainedParts } from './explain/bundle/parts.js';
import { engineAt } from './find-names.js';

const mostRecords = 20_000;

export function diagsParts(
  config: Config,
  ask: <Answer>(method: 'GET', path: string) => Promise<Answer>,
  askText: (path: string) => Promise<string>,
  inventory: () => Promise<unknown>,
): Part[] {
  const { stateDir, dockerSocket } = config;
  const daemon = (name: string, path: string, allowList: AllowList): Part => ({
    ...{ name, source: `GET ${path} of the daemon`, allowList, read: () => ask('GET', path) },
  });
  const text = (
    name: string,
    path: string,
    allowList: AllowList,
    parse: (text: string) => unknown,
  ): Part => ({
    ...{ name, source: `GET ${path} of the daemon`, allowList },
    read: async () => parse(await askText(path)),
  });
  const records = (kind: 'networks' | 'endpoints', allowList: AllowList): Part => {
    const folder = join(stateDir, kind);
    return {
      name: `records/${kind}.json`,
      source: folder,
      allowList,
      read: () => readRecords(folder),
    };
  };
  return [
    {
      ...{ name: 'versions.json', source: 'tsbridge and the kernel', allowList: versionsAllowed },
      read: async () => ({
        ...{ tsbridge: await readVersion(), node: process.version },
        ...{ kernel: release(), machine: arch() },
      }),
    },
    {
      ...{ name: 'settings.json', source: "tsbridge's own settings", allowList: settingsAllowed() },
      read: async () => config,
    },
    daemon('status.json', '/status', statusAllowed),
    text('events.json', '/v1/events', eventsAllowed, (lines) =>
      lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    ),
    text('metrics.json', '/metrics', metricsAllowed, parseMetrics),
    // The status is 503 if the daemon is not ready; the answer has the same form then.
    text('health.json', '/health/ready', healthAllowed, JSON.parse),
    records('networks', networkRecordsAllowed),
    records('endpoints', endpointRecordsAllowed),
    ...explainedParts(inventory, () => ask('GET', '/v1/names')),
    {
      ...{ name: 'engine.json', source: `GET /info of ${dockerSocket}`, allowList: engineAllowed },
      async read() {
        if (dockerSocket === 'none') throw new Unreadable('the engine may not be asked');
        return engineAt(dockerSocket).info();
      },
    },
  ];
}

/** All settings of the daemon: their values are paths, numbers, addresses and fixed words, so none is withheld. */
function settingsAllowed(): AllowList {
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
