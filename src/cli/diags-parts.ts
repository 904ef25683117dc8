/** The parts of a bundle of `tsbridge diags`, and how each is read, with and without the daemon. */
import { readdir, readFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { fieldNames, fields } from '../config/fields.js';
import type { Shape } from '../operator/diags/allowed.js';
import { type Part, Unreadable } from '../operator/diags/bundle.js';
import { parseMetrics } from '../operator/diags/metrics-text.js';
import {
  endpointRecordsShape,
  engineShape,
  eventsShape,
  healthShape,
  metricsShape,
  networkRecordsShape,
  statusShape,
  versionsShape,
} from '../operator/diags/shapes.js';
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
    ...explainedParts(inventory, () => ask('GET', '/v1/names')),
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
