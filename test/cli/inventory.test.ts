/** ports, ps and find against a daemon that a test plays, and against records. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dispatch } from '../../src/cli/dispatch.js';
import type { Terminal } from '../../src/cli/terminal.js';
import { recordVersion } from '../../src/host/records/read-record.js';
import type { Inventory, InventoryPort } from '../../src/operator/inventory/inventory.js';
import { documentOf, documentsOf, itemsOf } from '../process/documents.js';

async function run(args: readonly string[], more: Partial<Terminal> = {}) {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    ...more,
  };
  return { code: await dispatch(args, terminal), ...said };
}
const network = `51e0${'0'.repeat(60)}`;
const endpoint = `c0ff${'0'.repeat(60)}`;
const other = `c1ff${'0'.repeat(60)}`;
const port = (
  hostIp: string,
  hostPort: number,
  by: InventoryPort['by'] = 'docker',
): InventoryPort => ({
  ...{ hostIp, hostPort, by, containerIp: '172.20.0.2', containerPort: 80 },
  protocol: 'tcp',
  path: 'dnat',
  since: by === 'docker' ? null : '2026-11-26T19:02:40.131Z',
});
const limits = { down: { rate: 1e7, burst: 32_768 }, up: null };
const routes = { inside: ['blackhole 10.0.0.0/8', 'default via 172.20.0.9 metric 50'], host: [] };
const common = {
  ...{ network, ipv6: null, limits, routes, answeredOn: 'eth0', publishFrom: null, sandbox: null },
  phase: 'ready' as const,
};
const inventory: Inventory = {
  networks: [
    {
      ...{ id: network, bridge: 'br-51e0', subnets: ['172.20.0.0/16'], mtu: 1400 },
      ...{ internal: false, phase: 'ready', test: false },
    },
  ],
  endpoints: [
    {
      ...{
        ...common,
        id: endpoint,
        ipv4: '172.20.0.2/16',
        mac: '02:42:ac:14:00:02',
        veth: 'vetha',
      },
      ports: [port('::', 8080), port('127.0.0.1', 443), port('0.0.0.0', 8080)],
    },
    {
      ...{ ...common, id: other, ipv4: '172.20.0.3/16', mac: '02:42:ac:14:00:03', veth: 'vethb' },
      publishFrom: ['192.0.2.0/24', 'dev:wg0'],
      ports: [port('0.0.0.0', 9229, 'operator')],
    },
  ],
  unreadable: [],
};

/** A runtime folder in which a daemon answers like this. */
async function daemon(t: Pick<typeof import('tap').t, 'teardown'>, answer: () => unknown) {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-ports-'));
  const server = createServer((_request, response) => response.end(JSON.stringify(answer())));
  await new Promise<void>((done) => server.listen(join(folder, 'admin.sock'), done));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return ['--runtime-dir', folder, '--no-names'];
}

t.test('ports: ordered, chosen, filtered, and as a table', async (t) => {
  const dir = await daemon(t, () => inventory);
  const keys = async (...args: string[]) => {
    const { out } = await run(['ports', '--json', ...args, ...dir]);
    const items = itemsOf<{ host: { address: string; port: number } }>(out);
    return items.map(({ host }) => `${host.address} ${host.port}`);
  };
  t.strictSame(await keys(), ['127.0.0.1 443', '0.0.0.0 8080', ':: 8080', '0.0.0.0 9229']);
  t.strictSame(await keys('--port', '8000-9000'), ['0.0.0.0 8080', ':: 8080']);
  t.strictSame(await keys('--source', 'operator'), ['0.0.0.0 9229']);
  t.strictSame(await keys('--container', 'c1ff'), ['0.0.0.0 9229']);
  t.strictSame(await keys('--network', 'br-51e0', '--sort=-host-port', '--port', '443-8080'), [
    ...['0.0.0.0 8080', ':: 8080', '127.0.0.1 443'],
  ]);
  t.strictSame(await keys('--filter', 'host.port=443', '--filter', 'host.port=9229'), [
    ...['127.0.0.1 443', '0.0.0.0 9229'],
  ]);
  t.strictSame(await keys('--filter', 'host.family=4', '--filter', 'publishedBy!=operator'), [
    '127.0.0.1 443',
    '0.0.0.0 8080',
  ]);
  t.match(await run(['ports', '--port', '1', ...dir]), { code: 3, out: /^HOST PORT/ });
  const { code, out } = await run(['ports', '--no-listen', '--columns', 'host-port,by', ...dir]);
  t.equal(code, 0);
  t.equal(
    out,
    'HOST PORT      BY\n127.0.0.1:443  docker\n0.0.0.0:8080   docker\n[::]:8080      docker\n0.0.0.0:9229   operator\n',
  );
  for (const width of [undefined, 80, 100]) {
    const { out: table } = await run(['ports', ...dir], { width });
    for (const line of table.split('\n')) t.ok(line.length <= (width ?? 100), line);
  }
});

t.test('a wrong wish is refused with the right ones', async (t) => {
  const dir = await daemon(t, () => inventory);
  for (const [args, text] of [
    [['--sort', 'prot'], 'did you mean proto?'],
    [['--columns', 'x'], 'there is no column "x"; there are host-port, proto'],
    [['--filter', 'container.nam=x'], 'did you mean container.name?'],
    [['--filter', 'x'], 'it takes KEY=VALUE'],
    [['--port', '0'], '--port: "0" is not accepted'],
    [['--port', '70000'], 'from 1 to 65535'],
    [['--watch', '3'], 'unexpected argument "3"'],
    [['--watch=0'], 'it takes a number of seconds'],
    [['--color', 'sometimes'], 'it takes auto, always or never'],
  ] as const) {
    t.match(await run(['ports', ...args, ...dir]), { code: 2, out: '', err: text }, args.join(' '));
  }
});

t.test('ps and find', async (t) => {
  const dir = await daemon(t, () => inventory);
  const found = async (thing: string) => {
    const { out, code } = await run(['find', thing, '--json', ...dir]);
    return { code, what: itemsOf<{ matches: string }>(out).map(({ matches }) => matches) };
  };
  t.same(await found('vetha'), { code: 0, what: ['interface'] });
  t.same(await found('172.20.0.3'), { code: 0, what: ['address'] });
  t.same(await found('02:42:AC:14:00:02'), { code: 0, what: ['mac'] });
  t.same(await found('9229'), { code: 0, what: ['port'] });
  t.same(await found('br-51e0'), { code: 0, what: ['bridge'] });
  t.same(await found('51e00'), { code: 0, what: ['network'] });
  t.same(await found('c0ff'), { code: 0, what: ['endpoint'] });
  t.same(await found('172.20.0.9'), { code: 3, what: [] });
  t.match(await run(['find', 'web\u001b[2J', ...dir]), { code: 2 }, 'no control characters');
  t.match(await run(['find', 'web', ...dir]), { code: 3, out: 'nothing here is called "web"\n' });
  t.match(await run(['find', ...dir]), { code: 2, err: /find which THING\?/ });
  const { out: text } = await run(['find', 'vetha', ...dir]);
  t.match(text, /bridge +br-51e0, MTU 1400\n/);
  t.match(text, /ports +127\.0\.0\.1:443\/tcp -> :80, by dnat/);
  t.match(text, /routes inside +blackhole 10.0.0.0\/8\n +default via 172.20.0.9 metric 50\n/);
  t.match(text, /answered on +eth0\n/);
  const from = await run(['ports', '--columns', 'host-port,from', '--no-header', ...dir]);
  t.match(from.out, /\n0.0.0.0:9229 +192.0.2.0\/24, dev:wg0\n/);
  const ps = await run([
    'ps',
    '--columns',
    'veth,ports,limits,routes,answered',
    '--no-header',
    ...dir,
  ]);
  t.match(
    ps.out,
    /^vetha +3 +10mbit\/- +blackhole 10.0.0.0\/8, default.* 50 +eth0\nvethb +1 +10mbit\/- .* eth0\n$/,
  );
  t.equal((await run(['ps', '--network', 'none', ...dir])).code, 3);
});

t.test('without a daemon its records are read, and nothing is changed in them', async (t) => {
  const state = t.testdir({ networks: {}, endpoints: {}, publications: {} });
  const put = (kind: string, id: string, value: unknown) =>
    writeFileSync(
      join(state, kind, `${id}.json`),
      JSON.stringify({ version: recordVersion, id, value }),
    );
  put('networks', network, {
    ...{ phase: 'ready', sequence: 1, bridgeMade: true, addressesMade: [], frontEnd: 'libnetwork' },
    ruleSettings: {
      ...{ generation: 'docker20', userlandProxy: true, loopbackSpared: true },
      ...{ masquerade: true, allowDirectRouting: false },
    },
    input: {
      networkId: network,
      options: {},
      ipv4Data: [
        {
          AddressSpace: '',
          Pool: '172.20.0.0/16',
          Gateway: '172.20.0.1/16',
          pool: '172.20.0.0/16',
          gateway: '172.20.0.1/16',
        },
      ],
      ipv6Data: [],
    },
  });
  put('endpoints', endpoint, {
    ...{ phase: 'ready', sequence: 2, nameAttempt: 0, networkId: network, endpointId: endpoint },
    ...{ frontEnd: 'libnetwork', yielded: [], opened: [], exposed: [] },
    publishedAt: '2026-11-26T10:00:00.000Z',
    bindings: [['tcp', '0.0.0.0', 8080, '172.20.0.2', 80]],
    input: {
      ...{ networkId: network, endpointId: endpoint, address: '172.20.0.2/16', addressIpv6: '' },
      ...{ mac: '', options: {} },
    },
  });
  writeFileSync(join(state, 'endpoints', `${other}.json`), 'damaged');
  const empty = mkdtempSync(join(tmpdir(), 'tsbridge-none-'));
  t.teardown(() => rmSync(empty, { recursive: true }));
  const dirs = ['--runtime-dir', empty, '--state-dir', state, '--no-names'];
  const { code, out } = await run(['ports', '--json', ...dirs]);
  t.equal(code, 0);
  const { source, warnings, items } = documentOf(out);
  t.match(
    { source, items },
    {
      source: 'records',
      items: [
        {
          ...{ host: { port: 8080 }, path: 'dnat' },
          ...{ publishedBy: 'docker', publishedSince: '2026-11-26T10:00:00.000Z' },
        },
      ],
    },
  );
  t.match(
    warnings.join('\n'),
    /the daemon does not run.*damaged|is not valid JSON|Unexpected token/s,
  );
  const people = await run(['ports', ...dirs]);
  t.match(people.err, /^tsbridge ports: these are its records: the daemon does not run/);
  const nothing = ['--runtime-dir', empty, '--state-dir', join(empty, 'x')];
  t.match(await run(['ps', ...nothing]), { code: 1, err: /does not run.*and its records/s });
});

t.test('--watch goes on until it is interrupted, and tells changes only', async (t) => {
  let hostPort = 1;
  let asked = 0;
  const end = new AbortController();
  const dir = await daemon(t, () => {
    asked += 1;
    if (asked === 3) hostPort = 2;
    if (asked === 4) end.abort();
    const [first] = inventory.endpoints;
    return { ...inventory, endpoints: [{ ...first, ports: [port('0.0.0.0', hostPort)] }] };
  });
  const watch = ['ports', '--watch=0.5', '--json', ...dir];
  const { code, out } = await run(watch, { interruption: () => end.signal });
  t.equal(code, 0);
  t.match(
    documentsOf(out).map(({ items }) => items),
    [[{ host: { port: 1 } }], [{ host: { port: 2 } }]],
  );
  const drawn = await run(['ports', '--watch', ...dir], { width: 80 });
  const home = '\u001b[HHOST PORT';
  t.ok(drawn.out.startsWith(home), 'without somebody who could interrupt: once');
  const gone = [
    'ports',
    '--watch',
    '--json',
    '--runtime-dir',
    '/nowhere',
    '--state-dir',
    '/nowhere',
  ];
  t.match(await run(gone), { code: 0, out: '', err: /does not run/ });
});

t.test('a range of ports is one row, unless every one is wanted', async (t) => {
  const [first] = inventory.endpoints;
  const range = [...Array(100).keys()].flatMap((offset) =>
    ['0.0.0.0', '::'].map((ip) => ({ ...port(ip, 9000 + offset), containerPort: 7000 + offset })),
  );
  const dir = await daemon(t, () => ({
    ...inventory,
    endpoints: [{ ...first, ports: [...range, port('0.0.0.0', 9100)] }],
  }));
  const shown = ['ports', '--columns', 'host-port,to', ...dir];
  t.equal(
    (await run(shown)).out,
    'HOST PORT          TO\n0.0.0.0:9000-9099  :7000-7099\n[::]:9000-9099     :7000-7099\n0.0.0.0:9100       :80\n',
  );
  t.equal((await run([...shown, '--wide'])).out.split('\n').length, 203);
  t.equal(itemsOf((await run(['ports', '--json', ...dir])).out).length, 201);
});
