/** The page's server: who is let in, what is refused, and that nobody holds it for long. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dispatch } from '../../../src/cli/dispatch.js';
import { Access } from '../../../src/cli/page/access.js';
import { admitted, get, serve, source } from './serving.js';

t.test('the token lets one browser in, once', async (t) => {
  const { port, search, welcome, cookie, ask } = await admitted(t);
  t.match(search, /^\?token=[\w-]{22}$/, '128 bits');
  t.match(welcome, { status: 303, headers: { location: '/' } });
  t.match(welcome.headers['set-cookie'], [
    /^tsbridge-page-\d+=[\w-]{22}; Path=\/; HttpOnly; SameSite=Strict$/,
  ]);
  t.notOk(cookie.includes(search.slice(7)), 'the cookie is another secret');
  t.match(await ask('/'), { status: 200, body: /the page/ });
  const other = (path: string) => get({ port, host: '127.0.0.1', path });
  t.match(await other(`/${search}`), { status: 403, body: /used before/ });
  t.match(await other('/'), { status: 403, body: /has a token/ });
  t.match(await other('/events'), { status: 403 });
  t.match(await other(`/?token=${'A'.repeat(22)}`), { status: 403 });
  t.match(await ask('/', { cookie: `${cookie}x` }), { status: 403 });
  t.match(
    await ask('/', { cookie: `a=b; ${cookie}` }),
    { status: 200 },
    'beside cookies of others',
  );
});

t.test('a look at the link does not use the token up', async (t) => {
  const { url } = await serve(t);
  const { port, search } = new URL(url);
  const head = await get({ port, host: '127.0.0.1', path: `/${search}`, method: 'HEAD' });
  t.match(head, { status: 303, body: '' });
  t.match(await get({ port, host: '127.0.0.1', path: `/${search}` }), { status: 303 });
});

t.test('every answer has the policy, and is kept nowhere', async (t) => {
  const { ask } = await admitted(t);
  for (const path of ['/', '/path?from=x', '/nothing', '/events']) {
    const { headers } = await ask(path);
    t.equal(headers['cache-control'], 'no-store', path);
    t.equal(headers['x-content-type-options'], 'nosniff', path);
    t.equal(headers['referrer-policy'], 'no-referrer', path);
    if (path === '/events') continue;
    t.match(
      headers['content-security-policy'],
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; script-src 'sha256-[^']+'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'$/,
    );
  }
});

t.test('names that others may point to loopback, and other sites, are refused', async (t) => {
  const { port, ask } = await admitted(t);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
    t.match(await ask('/', { host }), { status: 200 }, host);
  }
  const foreign = ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`];
  const onPort80 = new Access(80).decide({
    ...{ method: 'GET', target: '/' },
    header: (name) => (name === 'host' ? ['127.0.0.1'] : []),
  });
  t.match(onPort80, { status: 403 }, 'browsers leave port 80 out of the header Host');
  for (const host of [...foreign, `127.0.0.1.evil.example:${port}`, `localhost:${port}@evil`]) {
    t.match(await ask('/', { host }), { status: 421 }, host);
  }
  for (const origin of [
    'https://evil.example',
    'null',
    `https://127.0.0.1:${port}`,
    `http://localhost:${port}`,
  ]) {
    t.match(await ask('/', { origin }), { status: 403 }, origin);
  }
  t.match(await ask('/', { origin: `http://127.0.0.1:${port}` }), { status: 200 });
  for (const site of ['cross-site', 'same-site']) {
    t.match(await ask('/events', { 'sec-fetch-site': site }), { status: 403 }, site);
  }
  for (const site of ['same-origin', 'none']) {
    t.match(await ask('/', { 'sec-fetch-site': site }), { status: 200 }, site);
  }
});

t.test('it can only be read, and has no other paths', async (t) => {
  const { ask } = await admitted(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    t.match(await ask('/', {}, method), { status: 405, headers: { allow: 'GET, HEAD' } }, method);
  }
  const head = await ask('/', {}, 'HEAD');
  t.match(head, { status: 200, body: '' });
  t.match(await ask('/path?from=web'), { status: 200, body: 'way web' });
  for (const path of ['/favicon.ico', '/../etc/passwd', '//', '/v1/events', '/path/', '/%2e%2e/']) {
    t.match(await ask(path), { status: 404 }, path);
  }
  t.match(await ask(`/?${'x'.repeat(4_000)}`), { status: 400 });
  t.match(await ask(`/?${'x'.repeat(20_000)}`), { status: 431 });
  t.match(await ask('/events?since=41'), { status: 200, body: 'data: since 41\n\n' });
  t.match(await ask('/events', { 'last-event-id': '42' }), { body: /since 42/ });
});

t.test('what cannot be found out is said, and the next question is answered', async (t) => {
  let fails = true;
  const { ask } = await admitted(t, {
    source: {
      ...source,
      page: async () => {
        if (fails) throw new Error('nobody <answers>');
        return 'well';
      },
    },
  });
  t.match(await ask('/'), { status: 503, body: /nobody &lt;answers&gt;/ });
  fails = false;
  t.match(await ask('/'), { status: 200, body: 'well' });
});

t.test('work is shared and bounded', async (t) => {
  let pages = 0;
  const release: (() => void)[] = [];
  const held = () => new Promise<void>((resolve) => release.push(resolve));
  const { ask } = await admitted(t, {
    source: {
      page: async () => {
        pages += 1;
        await held();
        return `page ${pages}`;
      },
      way: async () => {
        await held();
        return { status: 200, html: 'way' };
      },
      async *events(_since, end) {
        yield 'data: 1\n\n';
        await new Promise((resolve) => end.addEventListener('abort', resolve));
      },
    },
  });
  const both = [ask('/'), ask('/')];
  const ways = [ask('/path'), ask('/path')];
  while (release.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(await ask('/path'), { status: 503, headers: { 'retry-after': '2' } }, 'a third way');
  for (const each of release) each();
  t.strictSame(
    (await Promise.all(both)).map(({ body }) => body),
    ['page 1', 'page 1'],
  );
  t.strictSame(
    (await Promise.all(ways)).map(({ status }) => status),
    [200, 200],
  );
});

t.test('who says nothing, or only a little at a time, is let go', async (t) => {
  const { port, ask } = await admitted(t);
  const silent = connect(port, '127.0.0.1');
  const slow = connect(port, '127.0.0.1');
  t.teardown(() => [silent, slow].map((socket) => socket.destroy()));
  const closed = (socket: typeof slow) =>
    new Promise<void>((resolve) => {
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
    });
  const gone = Promise.all([closed(silent), closed(slow)]);
  slow.write('GET / HTTP/1.1\r\nHost: 127.0.0.1');
  const drip = setInterval(() => slow.writable && slow.write('x'), 100);
  t.match(await ask('/'), { status: 200 }, 'others are answered meanwhile');
  await gone;
  clearInterval(drip);
  t.pass('both are closed by the server');
});

t.test('an answer may take longer than a connection may stand still', async (t) => {
  const { ask } = await admitted(t, {
    stuckMs: 150,
    source: {
      ...source,
      page: async () => {
        await new Promise((resolve) => setTimeout(resolve, 700));
        return 'slowly made';
      },
    },
  });
  t.match(await ask('/'), { status: 200, body: 'slowly made' });
});

t.test('beyond so many connections there are no more', async (t) => {
  const { port, ask } = await admitted(t);
  const sockets = Array.from({ length: 30 }, () => connect(port, '127.0.0.1'));
  t.teardown(() => sockets.map((socket) => socket.destroy()));
  let closed = 0;
  const enough = new Promise<void>((resolve) => {
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        closed += 1;
        if (closed >= 14) resolve();
      });
      socket.resume();
    }
  });
  await enough;
  for (const socket of sockets) socket.destroy();
  const answered = async () => (await ask('/').catch(() => undefined))?.status === 200;
  while (!(await answered())) await new Promise((resolve) => setTimeout(resolve, 50));
  t.pass('and afterwards it answers again');
});

t.test('nobody asks: it ends by itself; a page that shows events keeps it', async (t) => {
  const { ended } = await serve(t, { idleMs: 50 });
  await ended;
  t.pass('it has ended');
  const reader = await admitted(t, {
    idleMs: 2_000,
    source: {
      ...source,
      async *events(_since, end) {
        yield 'data: 1\n\n';
        await new Promise((resolve) => end.addEventListener('abort', resolve));
      },
    },
  });
  const stream = request({
    ...{ port: reader.port, host: '127.0.0.1', path: '/events', agent: false },
    headers: { cookie: reader.cookie },
  });
  stream.on('error', () => undefined);
  stream.end();
  const response = await new Promise<IncomingMessage>((resolve) => stream.on('response', resolve));
  t.match(String(await new Promise((resolve) => response.once('data', resolve))), /data: 1/);
  let isOver = false;
  reader.ended?.then(() => {
    isOver = true;
  }, t.error);
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  t.notOk(isOver, 'still served');
  response.destroy();
  await reader.ended;
  t.pass('and over after it was closed');
});

t.test(
  'on a unix socket its mode decides, and a browser comes by any port of loopback',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tsbridge-page-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const socketPath = join(folder, 'page.sock');
    const { url, end, ended } = await serve(t, { where: { path: socketPath } });
    t.equal(url, socketPath);
    t.equal(statSync(socketPath).mode & 0o777, 0o600);
    const ask = (host: string) => get({ socketPath, path: '/', headers: { host } });
    t.match(await ask('127.0.0.1:8123'), { status: 200 });
    t.match(await ask('localhost:9'), { status: 200 });
    t.match(await ask('evil.example:8123'), { status: 421 });
    await t.rejects(serve(t, { where: { path: socketPath } }), /another process listens/);
    end.abort();
    await ended;
    t.notOk(existsSync(socketPath), 'no socket is left');
  },
);

t.test('wrong wishes are refused before anything is done', async (t) => {
  const said = async (...args: string[]) => {
    let err = '';
    const code = await dispatch(['page', ...args], {
      environment: {},
      out: () => t.fail('nothing is printed'),
      err: (text) => {
        err += text;
      },
    });
    return { code, err };
  };
  t.match(await said('--listen', '0.0.0.0:80'), { code: 2, err: /127\.0\.0\.1:PORT/ });
  t.match(await said('--listen', '127.0.0.1:70000'), { code: 2 });
  t.match(await said('--write', '/x', '--socket', '/x'), { code: 2, err: /only one of/ });
});
