/** `tsbridge status` and `tsbridge reconcile` against a daemon that a test plays. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { answering, daemon, repairs, run, sound } from '../fakes/played-daemon.js';
import { documentOf, itemsOf } from '../process/documents.js';

t.test('tsbridge status of a sound daemon says that nothing differs', async (t) => {
  const folder = await daemon(t, answering(sound));
  const { code, out, err } = await run(['status', '--runtime-dir', folder]);
  t.equal(code, 0);
  t.equal(err, '');
  for (const text of [
    /daemon +0\.1\.0, process 4711, since 2026-11-21T01:00:00\.000Z\n/,
    /state +serving\n/,
    /rules +docker20; IPv4: nft, IPv6: off\n/,
    /networks +2\n/,
    /endpoints +3\n/,
    /published ports +4\n/,
    /proxy +4 listeners, 1 connections\n/,
    /daemon runs +build a1b2, Node\.js v24\.0\.0\n/,
    /proxy runs +build a1b2, Node\.js v24\.0\.0, process 815\n/,
    /repairs of rules +nft: 2, iptables: 1; last 2026-11-21T01:49:15\.486Z, 57 changes in 22 ms,/,
    /because of nft \(process 4711\)\n/,
    /longest stall +12\.5 ms\n/,
    /repairs of links +none\n/,
    /repairs of settings +none: they fail\n/,
    /to be repaired +nothing\n/,
    /degraded +nothing\n/,
  ]) {
    t.match(out, text);
  }
  const json = await run(['status', '--json', `--runtime-dir=${folder}`]);
  t.equal(json.code, 0);
  t.strictSame(itemsOf(json.out), [JSON.parse(JSON.stringify(sound))]);
  t.match(documentOf(json.out), { schema: 'tsbridge.status/1', source: 'daemon', warnings: [] });
  t.equal((await run(['status'], { TSBRIDGE_RUNTIME_DIR: folder })).code, 0, 'by the environment');
});

t.test('status of a daemon with something to tell', async (t) => {
  for (const [change, text] of [
    [{ drift: { count: 12, first: ['create bridge br-a'] } }, /12 changes\n +create bridge br-a\n/],
    [{ degraded: ['no ip6tables', 'b'] }, /degraded +no ip6tables; b\n/],
    [{ state: 'recovering' }, /state +recovering\n/],
    [{ proxy: null, state: 'failed' }, /proxy +not running\n/],
    [
      { degraded: ['x'], repairs: { ...repairs, rules: { ...repairs.rules, steppedBack: true } } },
      /4711\); stepped back\n/,
    ],
  ] as const) {
    const folder = await daemon(t, answering({ ...sound, ...change }));
    const { code, out } = await run(['status', '--runtime-dir', folder]);
    t.equal(code, 3);
    t.match(out, text);
  }
});

t.test('tsbridge reconcile prints what was done', async (t) => {
  const asked: string[] = [];
  const rules = ['create-chain nat DOCKER', 'append nat DOCKER -i br-a -j RETURN'];
  const folder = await daemon(t, (request, body, response) => {
    asked.push(`${request.method} ${request.url} ${body}`);
    answering({ ...JSON.parse(body), rules, links: ['create bridge br-a'], zones: [], ports: [] })(
      request,
      '',
      response,
    );
  });
  const dir = ['--runtime-dir', folder];
  t.strictSame(await run(['reconcile', '--dry-run', ...dir]), {
    code: 3,
    out: `${rules.join('\n')}\ncreate bridge br-a\n`,
    err: '',
  });
  t.match(await run(['reconcile', ...dir]), { code: 0, out: /^create-chain/ });
  const json = await run(['reconcile', '--json', '--dry-run', ...dir]);
  t.equal(json.code, 3);
  t.strictSame(itemsOf(json.out), [
    ...rules.map((change) => ({ concern: 'rules', change })),
    { concern: 'links', change: 'create bridge br-a' },
  ]);
  t.match(documentOf(json.out), { dryRun: true, forgotten: [] });
  t.strictSame(asked, [
    'POST /reconcile {"dryRun":true}',
    'POST /reconcile {"dryRun":false}',
    'POST /reconcile {"dryRun":true}',
  ]);

  const idle = await daemon(
    t,
    answering({ dryRun: true, rules: [], links: [], zones: [], ports: [] }),
  );
  t.strictSame(await run(['reconcile', '--dry-run', '--runtime-dir', idle]), {
    code: 0,
    out: 'Everything is as it should be.\n',
    err: '',
  });
});

t.test('reconcile names networks that the engine may have forgotten', async (t) => {
  const forgotten = [{ id: 'a1b2'.repeat(16), bridge: 'br-a1b2', subnets: ['10.5.0.0/24'] }];
  const said = { dryRun: true, rules: [], links: [], zones: [], ports: [], forgotten };
  const folder = await daemon(t, answering(said));
  const { code, out } = await run(['reconcile', '--dry-run', '--runtime-dir', folder]);
  t.equal(code, 0, 'nothing has to be repaired');
  t.match(out, /^Everything is as it should be\.\n/);
  t.match(
    out,
    /network a1b2a1b2a1b2 \(br-a1b2, 10\.5\.0\.0\/24\) .*: tsbridge forget a1b2a1b2a1b2\n/,
  );
});

t.test('forget', async (t) => {
  const asked: string[] = [];
  const gone = {
    id: 'a1b2'.repeat(16),
    bridge: 'br-x',
    bridgeGoes: true,
    subnets: ['10.5.0.0/24'],
  };
  const folder = await daemon(t, (request, body, response) => {
    asked.push(`${request.method} ${request.url} ${body}`);
    answering(gone)(request, '', response);
  });
  const dir = ['--runtime-dir', folder];
  const shown = await run(['forget', 'br-x', ...dir]);
  t.equal(shown.code, 3);
  t.match(shown.out, /^This would be removed:\n {2}network (a1b2){16}\n.*10\.5\.0\.0\/24\n.*br-x/s);
  t.match(shown.out, /Nothing was done: give --yes/);
  const done = await run(['forget', 'br-x', '--yes', ...dir]);
  t.match(done, { code: 0, out: /^Removed:\n/ });
  t.strictSame(itemsOf((await run(['forget', 'br-x', '--json', ...dir])).out), [gone]);
  t.strictSame(asked, [
    'POST /forget {"network":"br-x","dryRun":true}',
    'POST /forget {"network":"br-x","dryRun":false}',
    'POST /forget {"network":"br-x","dryRun":true}',
  ]);
  t.match(await run(['forget', ...dir]), { code: 2, err: /which NETWORK/ });
  t.match(await run(['forget', 'a', 'b', ...dir]), { code: 2, err: /unexpected argument "b"/ });
  t.equal(asked.length, 3, 'a wrong command line asks for nothing');
  const busy = await daemon(t, answering({ error: { message: 'in use' } }, 500));
  t.match(await run(['forget', 'a', '--yes', '--runtime-dir', busy]), {
    code: 1,
    err: 'tsbridge forget: the daemon answers: in use\n',
  });
});

t.test('when the daemon does not run, or is another', async (t) => {
  // A socket's path has 107 bytes at most, and the clone may lie anywhere: not in its fixtures.
  const empty = mkdtempSync(join(tmpdir(), 'tsbridge-admin-'));
  t.teardown(() => rmSync(empty, { recursive: true }));
  for (const command of ['status', 'reconcile']) {
    const { code, out, err } = await run([command, '--runtime-dir', empty]);
    t.equal(code, 1);
    t.equal(out, '');
    t.equal(
      err,
      `tsbridge ${command}: the daemon does not run: nothing listens on ${empty}/admin.sock. ` +
        'Start it (systemctl start tsbridge), or say where it is with --runtime-dir\n',
    );
  }
  const failing = await daemon(t, answering({ error: { message: 'no memory' } }, 500));
  t.match(await run(['reconcile', '--runtime-dir', failing]), {
    code: 1,
    err: 'tsbridge reconcile: the daemon answers: no memory\n',
  });
  t.match(await run(['status', '--runtime-dir', await daemon(t, answering({ a: 1 }, 404))]), {
    code: 1,
    err: 'the daemon answers: {"a":1}',
  });
  t.match(await run(['status', '--runtime-dir', await daemon(t, answering('<html>'))]), {
    code: 1,
    err: 'does not speak as tsbridge does',
  });
  const broken = await daemon(t, (request) => request.socket.destroy());
  t.match(await run(['status', '--runtime-dir', broken]), { code: 1, err: /asking the daemon on/ });
});

t.test('wrong command lines of status and reconcile end with exit code 2', async (t) => {
  for (const [args, text] of [
    [['status', '--jsn'], 'unknown flag --jsn; did you mean --json?'],
    [['reconcile', '--dryrun'], 'did you mean --dry-run?'],
    [['reconcile', '--dry-run=yes'], '--dry-run takes no value'],
    [['status', 'now'], 'unexpected argument "now"'],
    [['status', '--runtime-dir'], '--runtime-dir needs a value'],
    [['status', '--runtime-dir', '-'], 'runtime-dir'],
  ] as const) {
    const { code, out, err } = await run(args);
    t.equal(code, 2, args.join(' '));
    t.equal(out, '');
    t.match(err, text);
  }
  t.match(await run(['status'], { TSBRIDGE_RUNTIME_DIR: 'x' }), { code: 2 });
});

t.test('help of status and reconcile names their switches', async (t) => {
  for (const command of ['status', 'reconcile', 'forget']) {
    const { code, out } = await run([command, '--help']);
    t.equal(code, 0);
    t.match(out, `Usage: tsbridge ${command} `);
    for (const flag of ['--json', '--runtime-dir']) t.match(out, flag);
    for (const line of out.split('\n')) t.ok([...line].length <= 100, line);
  }
  const { out } = await run(['--help']);
  for (const command of ['status', 'reconcile']) t.match(out, new RegExp(`^  ${command} `, 'm'));
});

t.test(
  'status --quiet says it by the exit status, and --wait asks until the answer is yes',
  async (t) => {
    let asked = 0;
    const folder = await daemon(t, (request, body, response) => {
      asked += 1;
      answering(asked < 2 ? { ...sound, state: 'recovering' } : sound)(request, body, response);
    });
    const dir = ['--runtime-dir', folder];
    t.same(await run(['status', '--quiet', ...dir]), { code: 3, out: '', err: '' });
    asked = 0;
    t.same(await run(['status', '--wait=30', '--quiet', ...dir]), { code: 0, out: '', err: '' });
    t.equal(asked, 2);
    t.match(await run(['status', '--wait=x', ...dir]), { code: 2, err: /number of seconds/ });
    const none = ['status', '--wait=1', '--runtime-dir', '/nowhere'];
    t.match(await run(none), { code: 1, err: /does not run/ });
  },
);
