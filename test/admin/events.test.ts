/** Events over the operators' socket: what is asked, and readers that are slow or too many. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { eventRoutes } from '../../src/admin/routes/events.js';
import { createAdminServer } from '../../src/admin/server.js';
import type { Event } from '../../src/driver/telemetry.js';
import { EventRing } from '../../src/operator/events/ring.js';
import { RecordingLog } from '../fakes/recording-log.js';

const released = (text: string): Event => ({ kind: 'operator', action: 'forget', text });

function setUp(ring = new EventRing()) {
  const { app } = createAdminServer([eventRoutes(ring)], new RecordingLog());
  return { ring, app };
}

async function listening(t: { teardown(end: () => unknown): void }, ring = new EventRing()) {
  const server = createAdminServer([eventRoutes(ring)], new RecordingLog());
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-'));
  const path = join(folder, 's');
  await server.app.ready();
  server.app.server.listen(path);
  await once(server.app.server, 'listening');
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const open = async (query: string): Promise<IncomingMessage> => {
    const call = get({ socketPath: path, path: `/v1/events${query}` });
    call.on('error', () => undefined);
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    return response;
  };
  return { ring, open };
}

t.test('the socket answers with lines of JSON', async (t) => {
  const { ring, app } = setUp();
  ring.add(released('a'));
  ring.add({ kind: 'call', method: 'other', durationMs: 1, code: 'method-unknown' });
  const answer = await app.inject('/v1/events');
  t.equal(answer.statusCode, 200);
  t.equal(answer.headers['content-type'], 'application/x-ndjson');
  const lines = answer.body.trim().split('\n');
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ schema: 'tsbridge.events/1', kind: 'operator', text: 'a' }, { kind: 'call' }],
  );
  t.equal((await app.inject('/v1/events?not=call')).body, `${lines[0]}\n`);
  t.equal((await app.inject('/v1/events?kind=call&kind=repair')).body, `${lines[1]}\n`);
  const { id } = JSON.parse(lines[0] ?? '');
  t.equal((await app.inject(`/v1/events?since=${id}`)).body, `${lines[1]}\n`);
});

t.test('what is not understood is refused', async (t) => {
  const { app } = setUp();
  for (const query of ['kind=calls', 'since=now', 'follow=yes', 'x=1', `since=${'1'.repeat(70)}`]) {
    const answer = await app.inject(`/v1/events?${query}`);
    t.equal(answer.statusCode, 400, query);
    t.equal(answer.json().error.code, 'bad-request');
  }
});

t.test('who follows is told of each event, and what a slow reader missed is a gap', async (t) => {
  const { ring, open } = await listening(t, new EventRing(Date.now, 50));
  const response = open('?follow=true');
  const large = 'x'.repeat(10_000);
  // Headers come with the first line.
  const adding = setInterval(() => ring.add(released('first')), 10);
  const stream = await response;
  clearInterval(adding);
  stream.pause();
  for (let count = 0; count < 2_000; count += 1) {
    ring.add(released(large));
    if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  ring.add(released('last'));
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('"last"')) break;
  }
  t.match(text, /"kind":"gap","of":"other"/);
  t.ok(text.length < 2_000 * large.length, 'most of it was never written');
});

t.test('there are not more readers than there is room for', async (t) => {
  const { ring, open } = await listening(t);
  const streams: IncomingMessage[] = [];
  const adding = setInterval(() => ring.add(released('a')), 10);
  t.teardown(() => clearInterval(adding));
  for (let count = 0; count < 32; count += 1) streams.push(await open('?follow=true'));
  for (const stream of streams) t.equal(stream.statusCode, 200);
  const refused = await open('?follow=true');
  t.equal(refused.statusCode, 500);
  t.equal((await open('')).statusCode, 200, 'who does not follow needs no room');
  streams[0]?.destroy();
  for (let status: number | undefined; status !== 200; ) {
    const stream = await open('?follow=true');
    status = stream.statusCode;
    if (status !== 200) stream.resume();
  }
  t.pass('one that has gone leaves its place');
});
