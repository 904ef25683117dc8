import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { default: events } = await import('node:events');
const fs = await import('node:fs');
const { default: os } = await import('node:os');
const { join } = await import('node:path');
const { loadLibc } = await import('../../src/host/process/libc.js');
const { lockState } = await import('../../src/host/records/state-lock.js');
const { RecordFiles } = await import('../../src/host/records/store-file.js');

const id = 'a'.repeat(64);
const otherId = 'b'.repeat(64);
/** What another run of the daemon would find. */
const reload = async (folder: string) => {
  const store = await RecordFiles.open(folder);
  try {
    return (await store.load()).map(({ path, ...record }) => {
      if ('unreadable' in record) throw record.unreadable;
      return record;
    });
  } finally {
    await store.close();
  }
};

t.test('records are written, replaced and removed', async (t) => {
  const folder = join(t.testdir(), 'state');
  const store = await RecordFiles.open(folder);
  t.teardown(() => store.close());
  t.same(await store.load(), []);
  t.equal(fs.statSync(folder).mode & 0o777, 0o700);
  t.equal(fs.statSync(join(folder, 'networks')).mode & 0o777, 0o700);

  await store.write('endpoint', otherId, { a: [1, 'ü', null] });
  await store.write('network', id, { name: 'one' });
  await store.write('network', id, { name: 'two' });
  t.equal(fs.statSync(join(folder, 'networks', `${id}.json`)).mode & 0o777, 0o600);
  t.same(await reload(folder), [
    { kind: 'network', id, value: { name: 'two' } },
    { kind: 'endpoint', id: otherId, value: { a: [1, 'ü', null] } },
  ]);
  await store.remove('network', id);
  await store.remove('network', id);
  t.same((await reload(folder)).length, 1);
  await t.rejects(store.write('network', '../x', {}), { code: 'record-failed' });
});

t.test('changes of one record happen in the order of the calls', async (t) => {
  const folder = t.testdir();
  const store = await RecordFiles.open(folder);
  t.teardown(() => store.close());
  const numbers = Array.from({ length: 40 }, (_, number) => number);
  await Promise.all(numbers.map((number) => store.write('network', id, number)));
  t.same(await reload(folder), [{ kind: 'network', id, value: 39 }]);
  await Promise.all([store.write('network', id, 1), store.remove('network', id)]);
  t.same(await reload(folder), []);
});

t.test('what cannot be understood is named and left as it is', async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['truncated', `{"version":1,"id":"${id}","va`, /JSON/],
    ['empty', '', /JSON/],
    ['zeros', '\0'.repeat(50), /JSON/],
    ['no version', `{"version":0,"id":"${id}","value":{}}`, /version 0, which no tsbridge/],
    ['another id', `{"version":1,"id":"${otherId}","value":{}}`, /not the record of network a/],
    ['no value', `{"version":1,"id":"${id}"}`, /not the record of network a/],
    ['a list', '[]', /no record of tsbridge/],
    ['null', 'null', /no record of tsbridge/],
  ];
  for (const [what, content, message] of cases) {
    const folder = t.testdir({ networks: { [`${id}.json`]: content } });
    const path = join(folder, 'networks', `${id}.json`);
    await t.rejects(reload(folder), { code: 'record-unreadable', message }, what);
    await t.rejects(reload(folder), { message: new RegExp(path) }, 'the file is named');
    t.equal(fs.readFileSync(path, 'utf8'), content);
  }
  const folder = t.testdir({ networks: { [`${id}.json`]: '{' } });
  const store = await RecordFiles.open(folder);
  t.teardown(() => store.close());
  await store.write('network', otherId, 'good');
  t.match(
    await store.load(),
    [
      { id, unreadable: { code: 'record-unreadable' } },
      { id: otherId, value: 'good' },
    ],
    'and the others are read',
  );
});

t.test('records of a newer tsbridge are not read at all, and those of the first are', async (t) => {
  const text = `{"version":3,"id":"${id}","value":{}}`;
  const folder = t.testdir({
    networks: { [`${otherId}.json`]: `{"version":1,"id":"${otherId}","value":"old"}` },
    endpoints: { [`${id}.json`]: text },
  });
  const path = join(folder, 'endpoints', `${id}.json`);
  await t.rejects(reload(folder), { code: 'record-newer', message: /version 3.*up to 2/ });
  t.equal(fs.readFileSync(path, 'utf8'), text);
  fs.unlinkSync(path);
  t.same(await reload(folder), [{ kind: 'network', id: otherId, value: 'old' }]);
});

t.test('an endpoint that was being written when the machine stopped is no endpoint', async (t) => {
  const file = (kind: string, id: string) => join(folder, kind, `${id}.json`);
  const folder = t.testdir({
    networks: { [`${id}.json`]: '' },
    endpoints: {
      [`${id}.json`]: '\0'.repeat(4096),
      [`${otherId}.json`]: '',
      [`${'c'.repeat(64)}.json`]: '{"version":1,',
    },
  });
  const before = Date.now() / 1000 - os.uptime() - 60;
  // All but one are from before this machine's start.
  for (const path of [
    file('networks', id),
    file('endpoints', id),
    file('endpoints', 'c'.repeat(64)),
  ])
    fs.utimesSync(path, before, before);
  const store = await RecordFiles.open(folder);
  t.teardown(() => store.close());
  t.match(await store.load(), [
    { kind: 'network', id, unreadable: { code: 'record-unreadable' } },
    { kind: 'endpoint', id: otherId, unreadable: { code: 'record-unreadable' } },
    { kind: 'endpoint', id: 'c'.repeat(64), unreadable: { code: 'record-unreadable' } },
  ]);
  t.notOk(fs.existsSync(file('endpoints', id)));
  t.ok(fs.existsSync(file('networks', id)));
});

t.test('leftovers of interrupted writes go; files of others stay', async (t) => {
  const folder = t.testdir({
    networks: { [`${id}.json.77-1.tmp`]: '{"vers', README: 'hello' },
  });
  t.same(await reload(folder), []);
  t.same(fs.readdirSync(join(folder, 'networks')), ['README']);
});

t.test('a full disk, and one that is read-only', async (t) => {
  const folder = t.testdir();
  run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  const store = await RecordFiles.open(folder);
  await store.write('network', id, 'small');
  const path = join(folder, 'networks', `${id}.json`);
  await t.rejects(store.write('network', id, 'x'.repeat(200_000)), {
    code: 'record-failed',
    message: new RegExp(
      `writing the record ${path}: write: no space left on device.*free some space`,
    ),
  });
  t.same(fs.readdirSync(join(folder, 'networks')), [`${id}.json`]);
  t.match(await store.load(), [{ value: 'small' }], 'the old record is still there');

  const ballast = join(folder, 'ballast');
  fs.writeFileSync(join(folder, 'daemon.lock'), '');
  const fill = () => {
    const file = fs.openSync(ballast, 'a');
    try {
      for (;;) fs.writeSync(file, 'x'.repeat(4096));
    } finally {
      fs.closeSync(file);
    }
  };
  t.throws(fill, { code: 'ENOSPC' });
  const onFull = await lockState(folder, loadLibc());
  await t.rejects(lockState(folder, loadLibc()), { code: 'state-locked' }, 'locked all the same');
  await onFull.release();
  await store.remove('network', id);
  t.same(await store.load(), [], 'deleting works on a full disk');
  fs.unlinkSync(ballast);
  await store.write('network', id, 'small');

  run('mount', ['-o', 'remount,ro', folder]);
  const onReadOnly = await lockState(folder, loadLibc());
  await t.rejects(
    lockState(folder, loadLibc()),
    { code: 'state-locked' },
    'and on a read-only one',
  );
  await onReadOnly.release();
  await (await RecordFiles.open(folder)).close();
  await t.rejects(store.write('network', otherId, 1), {
    message: /read-only file system.*--state-dir/,
  });
  await t.rejects(store.remove('network', id), {
    message: /deleting the record .*read-only file system/,
  });
  t.match(await store.load(), [{ value: 'small' }], 'what is there can be read');
  await store.close();
  run('umount', [folder]);
});

t.test('a process that is killed while it writes leaves whole records', async (t) => {
  const folder = t.testdir();
  const module = new URL('../../src/host/records/store-file.ts', import.meta.url).href;
  const script = `
    const { RecordFiles } = await import(${JSON.stringify(module)});
    const store = await RecordFiles.open(${JSON.stringify(folder)});
    for (let n = 0; ; n += 1) {
      await store.write('network', '${id}', { n, filler: 'x'.repeat(50_000) });
      if (n === 0) process.stdout.write('writing');
    }`;
  for (let round = 0; round < 3; round += 1) {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await events.once(writer.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 20 + 7 * round));
    writer.kill('SIGKILL');
    await events.once(writer, 'close');
    const [record] = await reload(folder);
    t.match(record, { kind: 'network', id, value: { n: Number, filler: /^x{50000}$/ } });
    t.same(fs.readdirSync(join(folder, 'networks')), [`${id}.json`]);
  }
});

t.test('a state folder has one daemon', async (t) => {
  const folder = join(t.testdir(), 'state');
  const libc = loadLibc();
  const first = await lockState(folder, libc);
  await t.rejects(lockState(folder, libc), {
    code: 'state-locked',
    message: new RegExp(`${folder}: process ${process.pid} uses this folder`),
  });
  await first.release();
  await (await lockState(folder, libc)).release();

  const lockFile = join(folder, 'daemon.lock');
  const args = ['--no-fork', lockFile, 'sh', '-c', 'echo held; exec sleep 60'];
  const holder = spawn('flock', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await events.once(holder.stdout, 'data');
  await t.rejects(lockState(folder, libc), { code: 'state-locked' });
  holder.kill('SIGKILL');
  await events.once(holder, 'close');
  await (await lockState(folder, libc)).release();

  const file = join(t.testdir({ file: '' }), 'file');
  await t.rejects(lockState(file, libc), {
    code: 'record-failed',
    message: /file exists|not a directory/,
  });
});
