/**
 * Hostile requests through the real server to a driver on a host in memory: every answer is valid,
 * and a request that was answered with an error has changed nothing. Once with rules by iptables-restore, and once by
 * netlink; with options that Docker's driver does not have, too.
 *
 * `FUZZ_SEED=1234 FUZZ_COUNT=1000000 npm run test:fuzz` repeats a run, or makes it longer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BridgeDriver } from '../../src/driver/driver.js';
import { recover } from '../../src/driver/recover.js';
import type { World } from '../../src/driver/world.js';
import { createServer } from '../../src/frontends/libnetwork/server.js';
import { type BackendKind, useBackend } from '../fakes/backends.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';
import { RawClient } from './client.js';
import { newSeed, Random } from './random.js';
import { Requests } from './requests.js';

const count = Number(process.env.FUZZ_COUNT ?? 50_000);

/** What a restore may consist of: lines of words, with no other space between them, and nothing that quotes. */
const restoreText = /^(?:[*:-](?:[^"'#\\\p{C}\p{Z}]| )*\n|COMMIT\n)*$/u;
/** Names of bridges may have letters of any script; beside that as the kernel and iptables take them literally. */
const linkName = /^(?![-!])[^"'#\\/:%\p{C}\p{Z}]{1,15}(?<!\+)$/u;

/** Looks only where something has been done. */
class Watcher {
  #actions = -1;
  #state = '';

  constructor(
    private readonly host: FakeHost,
    private readonly world: World,
  ) {}

  async state(): Promise<string> {
    await this.world.removals.idle();
    const actions = this.host.faults.calls.length + this.host.firewall.restores.length;
    if (actions === this.#actions) return this.#state;
    this.#actions = actions;
    const records = [...this.host.store.records].map(
      ([key, { text }]) => `${key} ${lasting(text)}`,
    );
    records.sort();
    this.#state = JSON.stringify([stateOf(this.host), records]);
    return this.#state;
  }
}

/** A record without `released`: a note for a start only, which may find all of it gone already. */
function lasting(text: string): string {
  const { released: _, ...record } = JSON.parse(text) as Record<string, unknown>;
  return JSON.stringify(record);
}

const test = (backend: BackendKind) => async (t: Test) => {
  const seed = newSeed();
  t.comment(`FUZZ_SEED=${seed}`);
  useBackend(backend);
  const host = makeHost();
  const { world } = host.boot();
  await recover(world);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const driver = new BridgeDriver(world, Promise.resolve());
  // The chains that all networks share, and forwarding, stay when the first network goes.
  host.sysctls.values.set('net/bridge/bridge-nf-call-iptables', '1');
  const first = new Requests(new Random(1)).sample('NetworkDriver.CreateNetwork');
  const server = createServer({ driver, log, deadlineMs: 60_000 });
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-fuzz-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  await server.listen({ path });
  const client = new RawClient(path);
  t.teardown(async () => {
    client.close();
    await server.close();
  });
  t.same(JSON.parse((await client.post(first.method, first.body)).body), {});
  for (const { spec } of world.registry.networks()) await driver.deleteNetwork(spec.id);
  const watcher = new Watcher(host, world);
  const requests = new Requests(new Random(seed));
  const wrong: unknown[] = [];
  const statuses = new Map<number, number>();
  let changes = 0;
  let withMap = 0;
  let before = await watcher.state();
  let restores = 0;
  for (let number = 0; number < count && wrong.length < 5; number += 1) {
    const { method, body } = requests.next();
    const note = (why: string, more?: unknown) =>
      wrong.push({ number, method, body: body?.slice(0, 2_000), why, more });
    try {
      const answer = await client.post(method, body);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const json = JSON.parse(answer.body) as { Err?: unknown };
      const failed = json.Err !== undefined;
      if (failed && (typeof json.Err !== 'string' || json.Err === '')) note('no reason', json);
      if (![200, 400, 404, 413].includes(answer.status)) note('status', answer);
      if (answer.status !== 200 && !failed) note('no error', answer);
      const after = await watcher.state();
      if (failed && after !== before) note('changed', { before, after, error: json.Err });
      if (after !== before) changes += 1;
      if (after !== before && host.maps.tables.size > 0) withMap += 1;
      before = after;
    } catch (error) {
      note('no answer', String(error));
    }
    for (const { text } of host.firewall.restores.slice(restores)) {
      if (text !== 'by netlink' && !restoreText.test(text)) note('restore', text);
    }
    restores = host.firewall.restores.length;
    for (const name of host.links.links.keys()) if (!linkName.test(name)) note('link', name);
    if (number % 1_000 === 0) forget(host);
    if (host.firewall.restores.length === 0) restores = 0;
  }
  t.same(wrong, [], `FUZZ_SEED=${seed}`);
  t.comment(Object.fromEntries(statuses), `${changes} changes, ${withMap} with ports in a map`);
  t.ok(changes > count / 100, 'and many did something');
  t.ok(withMap > 0, 'also with ports in a map');
  for (const { spec } of world.registry.networks()) await driver.deleteNetwork(spec.id);
  await world.removals.idle();
  const { links, ports, records } = stateOf(host);
  t.same([links, ports, records], [[], [], []]);
};
for (const backend of ['text', 'netlink'] as const) {
  t.test(`${count} requests, rules by ${backend}`, { timeout: 600_000 }, test(backend));
}

/** What the fakes keep for tests that look at it. */
function forget(host: FakeHost): void {
  host.faults.calls.length = 0;
  host.firewall.restores.length = 0;
  host.conntrack.removed.length = 0;
  host.logged.length = 0;
}
