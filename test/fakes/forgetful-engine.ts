/** A host with networks 5 and 6, of which the engine knows 6 only; and what asks the engine. */
import type { ProcessId } from '../../src/driver/host.js';
import { Forgotten } from '../../src/driver/orphans/forgotten.js';
import { Owners } from '../../src/driver/orphans/owners.js';
import { engineProcess } from './called-driver.js';
import { Engine } from './engine-calls.js';
import { FakeClock } from './fake-clock.js';
import { FakeEngine } from './fake-engine.js';
import { makeHost } from './fake-host.js';

export const minute = 60_000;
export const otherProcess = 'boot pid:[1] 815 7' as ProcessId;

export class MemoryFile {
  saved: unknown;
  async load(): Promise<unknown> {
    return this.saved;
  }
  async save(document: unknown): Promise<void> {
    this.saved = JSON.parse(JSON.stringify(document));
  }
}

/** Networks 5 and 6, made by this process; the daemon was started again since. The engine lists 6. */
export async function setUp(
  madeBy: ProcessId | 'nobody' = engineProcess,
  afterMs: number | 'off' = 'off',
) {
  const host = makeHost();
  const calls = new Engine(host);
  await calls.start();
  for (const number of [5, 6])
    await calls.driver.createNetwork(
      calls.network(number),
      madeBy === 'nobody' ? undefined : madeBy,
    );
  await calls.start();
  const asked = new FakeEngine();
  asked.networkNames.set(calls.ids(6).networkId, 'six');
  const clock = new FakeClock();
  const file = new MemoryFile();
  const known = new Set<string>();
  const make = () =>
    new Forgotten(
      calls.world,
      asked,
      new Owners(file, calls.world.log),
      afterMs,
      ({ spec }) => known.has(spec.id),
      clock,
    );
  return { host, calls, asked, clock, file, known, make, forgotten: make() };
}
export type All = Awaited<ReturnType<typeof setUp>>;

/** Both questions, and what is asked between them. */
export async function collect(
  { forgotten, clock }: Pick<All, 'forgotten' | 'clock'>,
  dryRun = false,
  between: () => void | Promise<void> = () => undefined,
) {
  const collecting = forgotten.collect(dryRun);
  collecting.catch(() => undefined);
  await clock.pass(1_000);
  await between();
  await clock.pass(9_000);
  const collected = await collecting;
  return {
    networks: collected.networks.map(({ bridge }) => bridge),
    endpoints: collected.endpoints.map(({ id }) => id),
    kept: collected.kept,
  };
}

export const bridgeOf = ({ calls }: All, number: number) =>
  `br-${calls.ids(number).networkId.slice(0, 12)}`;
