/** A daemon that a test plays, for the commands that ask one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispatch } from '../../src/cli/dispatch.js';
import type { Terminal } from '../../src/cli/terminal.js';
import type { Status } from '../../src/operator/status.js';

export const repairs = {
  rules: {
    repairs: { nft: 2, iptables: 1 },
    last: {
      at: '2026-11-21T01:49:15.486Z',
      author: 'nft (process 4711)',
      count: 57,
      first: ['create-chain nat DOCKER'],
      durationMs: 22.4,
    },
    steppedBack: false,
  },
  links: { repairs: {}, last: undefined, steppedBack: false },
  settings: { repairs: {}, last: undefined, steppedBack: true },
  zones: { repairs: {}, last: undefined, steppedBack: false },
  ports: { repairs: {}, last: undefined, steppedBack: false },
};
/** What a daemon says of which nothing differs. */
export const sound: Status = {
  version: '0.1.0',
  build: 'a1b2',
  node: 'v24.0.0',
  pid: 4711,
  startedAt: '2026-11-21T01:00:00.000Z',
  state: 'serving',
  generation: 'docker20',
  iptables: 'nft',
  ip6tables: 'off',
  ruleBackend: 'auto',
  ruleCommits: {
    netlink: { commits: 40, changes: 90, milliseconds: 21 },
    restore: { commits: 2, changes: 31, milliseconds: 9 },
    lastRestore: 'chains',
  },
  networks: 2,
  endpoints: 3,
  testNetworks: 0,
  publishedPorts: 4,
  limitQueue: 'fq_codel',
  proxy: { pid: 815, build: 'a1b2', node: 'v24.0.0', listeners: 4, connections: 1 },
  longestStallMs: 12.5,
  names: { from: 'docker', asOf: '2026-11-21T01:00:00.000Z', stale: false },
  forgotten: [],
  repairs,
  drift: { count: 0, first: [] },
  degraded: [],
};

/** `tsbridge ARGS`, in this process. */
export async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    environment,
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  };
  return { code: await dispatch(args, terminal), ...said };
}

type Handler = (request: IncomingMessage, body: string, response: ServerResponse) => void;

/** A runtime directory in which somebody listens, and answers like this. */
export async function daemon(t: Tap, handler: Handler): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-admin-'));
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => handler(request, body, response));
  });
  await new Promise<void>((done) => server.listen(join(folder, 'admin.sock'), done));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return folder;
}
type Tap = { teardown(done: () => void): void };

/** The answer is this, whatever the question. */
export const answering = (value: unknown, status = 200): Handler => {
  return (_request, _body, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  };
};
