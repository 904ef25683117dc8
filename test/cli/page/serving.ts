/** The page's server with answers of a test's own, and requests to it. */
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { type PageServing, type PageSource, servePage } from '../../../src/cli/page/server.js';

export const source: PageSource = {
  page: async () => '<!doctype html>the page',
  way: async (query) => ({ status: 200, html: `way ${query.get('from')}` }),
  async *events(since) {
    yield `data: since ${since}\n\n`;
  },
};

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export function get(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

type Test = Pick<typeof import('tap').t, 'teardown'>;

/** Serves until the test ends. */
export async function serve(t: Test, more: Partial<PageServing> = {}) {
  const end = new AbortController();
  let ended: Promise<void> | undefined;
  const url = await new Promise<string>((ready, reject) => {
    ended = servePage({
      ...{ where: { host: '127.0.0.1', port: 0 }, source, idleMs: 600_000 },
      ...{ end: end.signal, ready, ...more },
    });
    ended.catch(reject);
  });
  t.teardown(async () => {
    end.abort();
    await ended;
  });
  return { url, end, ended };
}

/** Serves on loopback; `ask` has the cookie, unless `headers` say otherwise. */
export async function admitted(t: Test, more: Partial<PageServing> = {}) {
  const served = await serve(t, more);
  const { port, search } = new URL(served.url);
  const welcome = await get({ port, host: '127.0.0.1', path: `/${search}` });
  const [cookie = ''] = (welcome.headers['set-cookie']?.[0] ?? '').split(';');
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    get({ ...{ port, host: '127.0.0.1', path, method }, headers: { cookie, ...headers } });
  return { ...served, port: Number(port), search, welcome, cookie, ask };
}
