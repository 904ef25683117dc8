/** `tsbridge set` on a host in memory: words, documents, what it changes, and that a start keeps it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { limitRoutes } from '../../src/admin/routes/limits.js';
import { createAdminServer } from '../../src/admin/server.js';
import { dispatch } from '../../src/cli/dispatch.js';
import { LimitSetting } from '../../src/operator/limit-setting.js';
import { OperatedHost } from '../fakes/operator.js';
import { RecordingLog } from '../fakes/recording-log.js';
import { itemsOf } from '../process/documents.js';

async function operated(t: Pick<typeof import('tap').t, 'teardown'>) {
  const host = await new OperatedHost().start();
  await host.createNetwork();
  await host.startContainer('web');
  await host.startContainer('db', 3);
  const setting = new LimitSetting(host.engine.world, host.containers, Promise.resolve());
  const server = createAdminServer([limitRoutes(setting)], new RecordingLog());
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-set-'));
  await server.app.ready();
  await new Promise<void>((done) => {
    server.app.server.listen(join(folder, 'admin.sock'), done);
  });
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const run = async (line: string) => {
    const said = { out: '', err: '' };
    const code = await dispatch([...line.split(' '), '--runtime-dir', folder], {
      environment: {},
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
    });
    return { code, ...said };
  };
  /** Rates on the host: of the ifbs, and of the host's ends. */
  const rates = () =>
    host.host.shaping
      .dump()
      .map((line) => line.replace(/(?<=veth|tsi)[0-9a-f]{7}/g, '').replace(/ true$/, ''));
  return { host, run, rates };
}

t.test('of a container, and of all of a network', async (t) => {
  const { host, run, rates } = await operated(t);
  t.strictSame(rates(), []);
  t.match(await run('set web rate_down=20mbit rate_up=5mbit burst_up=64k'), {
    code: 0,
    out: 'web@shop: 20mbit/5mbit (down/up)\n',
  });
  const web = ['tsi 5000000 65536', 'veth 20000000 25000', 'veth leads to tsi'];
  t.strictSame(rates(), web);
  t.match(await run('set @shop rate_down=1gbit'), {
    code: 0,
    out: /^(web@shop: 20mbit\/5mbit|db@shop: 1gbit\/-) .*\n(web|db)@shop/,
  });
  const both = [...web, 'veth 1000000000 1250000'].sort();
  t.strictSame(rates().sort(), both, 'what is set for a container counts more');
  t.match(host.host.told.at(-1), {
    ...{ kind: 'operator', action: 'set', text: 'rate_down=1gbit for network shop' },
  });

  await host.start();
  t.strictSame(rates().sort(), both, 'a start finds nothing to change');
  await host.startContainer('late', 4);
  t.strictSame(rates().filter((each) => each === 'veth 1000000000 1250000').length, 2);
});

t.test('taken away again', async (t) => {
  const { run, rates } = await operated(t);
  await run('set web rate_down=20mbit rate_up=5mbit');
  t.match(await run('set web rate_up=none --json'), { code: 0 });
  t.strictSame(rates(), ['veth 20000000 25000'], 'the filter and the ifb go');
  const { out } = await run('set web@shop rate_down=none --json');
  t.match(itemsOf(out), [
    { container: 'web', network: { name: 'shop' }, limits: { down: null, up: null } },
  ]);
  t.strictSame(rates(), []);
});

t.test('back to what options and the network give', async (t) => {
  const { host, run, rates } = await operated(t);
  await run('set @shop rate_down=1gbit');
  await run('set web rate_down=20mbit rate_up=5mbit burst_up=64k');
  t.match(await run('set web burst_up=default'), { out: /web@shop: 20mbit\/5mbit / });
  t.ok(rates().includes('tsi 5000000 6250'), 'the burst that belongs to the rate');
  t.match(await run('set web rate_down=default rate_up=none'), { out: /web@shop: 1gbit\/- / });
  t.match(await run('set web rate_up=default'), { out: /web@shop: 1gbit\/- / });
  await host.start();
  t.strictSame(rates(), Array(2).fill('veth 1000000000 1250000'), 'also after a start');
  t.match(await run('set @shop rate_down=default'), { out: /web@shop: - / });
  t.strictSame(rates(), []);
  t.match(await run('set web burst_up=64k rate_up=default'), { code: 1, err: /needs a rate/ });
});

t.test('what is wrong changes nothing, neither on the host nor on record', async (t) => {
  const { host, run, rates } = await operated(t);
  await run('set web rate_down=20mbit');
  const before = [rates(), [...host.host.store.records.values()]];
  for (const [line, code, err] of [
    ['set', 2, /which CONTAINER, or which @NETWORK/],
    ['set web', 2, /which limits\?/],
    ['set web fast', 2, /rate_down, rate_up, burst_down or burst_up/],
    ['set web rate_down=10 rate_dwn=1mbit', 1, /2 problems: .*rate_dwn.*did you mean.*not a rate/],
    ['set web burst_up=64k', 1, /burst_up=64k needs a rate/],
    ['set @shop burst_down=64k', 1, /burst_down=64k needs a rate/],
    ['set nobody rate_down=1mbit', 1, /no running container nobody is on a network of tsbridge/],
    ['set @nowhere rate_down=1mbit', 1, /no network of tsbridge is called nowhere/],
  ] as const) {
    t.match(await run(line), { code, out: '', err }, line);
  }
  host.host.faults.plan('store.write', 'no space left on device');
  t.match(await run('set web rate_down=1mbit'), { code: 1, err: /no space left/ });
  host.host.faults.plan('store.write', 'no space left on device');
  t.match(await run('set @shop rate_down=1mbit'), { code: 1, err: /no space left/ });
  t.strictSame([rates(), [...host.host.store.records.values()]], before);
});

t.test('what the kernel refuses is on record, and a start makes it', async (t) => {
  const { host, run, rates } = await operated(t);
  host.host.faults.plan('shaping.ifb-up', 'no ifb');
  t.match(await run('set web rate_up=5mbit'), { code: 1, err: /no ifb/ });
  t.notMatch(rates(), [/leads/]);
  await host.start();
  t.strictSame(rates(), ['tsi 5000000 6250', 'veth leads to tsi']);
});
