/** The command's side of a lease: what it says of a daemon that is silent, refuses, or goes away. */
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { askDaemon } from '../../../src/cli/admin-client.js';
import { LeaseHolder } from '../../../src/cli/connectivity/lease.js';
import { answering, daemon } from '../../fakes/played-daemon.js';

const asking = (runtimeDir: string, timeoutMs = 60_000) => ({
  ...{ runtimeDir, timeoutMs },
  request: <Answer>(method: 'GET' | 'POST', path: string, body?: unknown) =>
    askDaemon<Answer>({ runtimeDir, timeoutMs }, method, path, body),
});

/** A daemon that gives a lease, and does with each other call as it is told. */
async function leasing(t: Parameters<typeof daemon>[0], others: Parameters<typeof daemon>[1]) {
  const calls: string[] = [];
  let open: ServerResponse | undefined;
  let hangsUp: (() => void) | undefined;
  const hungUp = new Promise<void>((resolve) => {
    hangsUp = resolve;
  });
  const folder = await daemon(t, (request, body, response) => {
    calls.push(`${request.method} ${request.url} ${body}`);
    if (request.url !== '/v1/leases') return others(request, body, response);
    open = response;
    response.on('close', () => hangsUp?.());
    // In two pieces, as a socket may carry it.
    response.write('{"lease":"abc","model":null,');
    setImmediate(() => response.write('"ipv6":true}\n'));
  });
  return { folder, calls, hungUp, dies: () => open?.destroy() };
}

t.test('calls go by the lease; it ends once everything is gone', async (t) => {
  const { folder, calls, hungUp } = await leasing(t, answering({ Value: 1 }));
  const lease = await LeaseHolder.begin(asking(folder), 'ab12');
  t.match(lease, { id: 'abc', model: undefined, ipv6: true });
  t.strictSame(await lease.call('Join', { NetworkID: 'x' }), { Value: 1 });
  await lease.network('x');
  await lease.end();
  await hungUp;
  t.strictSame(calls, [
    'POST /v1/leases {"like":"ab12"}',
    'POST /v1/leases/abc/call/NetworkDriver.Join {"NetworkID":"x"}',
    'GET /v1/leases/abc/networks/x ',
    'POST /v1/leases/abc/end ',
  ]);
});

t.test('networks that are left are no success', async (t) => {
  const left = answering({ error: { code: 'link-failed', message: 'br-1 is stuck' } }, 500);
  const { folder, hungUp } = await leasing(t, left);
  const lease = await LeaseHolder.begin(asking(folder), undefined);
  await t.rejects(lease.end(), { message: 'the daemon answers: br-1 is stuck' });
  await hungUp;
});

t.test('a daemon that has gone: nobody knows what is left', async (t) => {
  const { folder, dies, hungUp } = await leasing(t, answering({}));
  const lease = await LeaseHolder.begin(asking(folder), undefined);
  dies();
  await hungUp;
  const lost = { message: /^the test was given up: .*at its next start at the latest$/ };
  // The end of the connection is seen when the kernel tells of it.
  for (let tries = 0; tries < 1_000; tries += 1) {
    const answer = await lease.call('Leave', {}).catch((error: Error) => error);
    if (answer instanceof Error) break;
  }
  await t.rejects(lease.call('Leave', {}), lost);
  await t.rejects(lease.end(), lost);
});

t.test('a daemon that gives no lease: its words, or that it is silent', async (t) => {
  const refusing = await daemon(t, answering({ error: { message: '4 tests run already' } }, 500));
  await t.rejects(LeaseHolder.begin(asking(refusing), undefined), {
    message: 'the daemon answers: 4 tests run already',
  });
  const hung = await daemon(t, () => undefined);
  await t.rejects(LeaseHolder.begin(asking(hung, 300), undefined), {
    message: /admin\.sock: no answer within 0\.3 s/,
  });
  await t.rejects(LeaseHolder.begin(asking('/nowhere'), undefined), {
    message: /the daemon does not run/,
  });
});
