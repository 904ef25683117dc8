/**
 * What cannot be had is refused in the words that Docker's users know, and leaves nothing behind.
 */
import { DRIVER, labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES } from '../lab/lab.js';

const ours = { skip: SKIP_BUILT_IN } as const;

labTest('ports that are taken', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  await lab.run({ name: 'first', network: 'app', publish: ['9000:80'] });
  await lab.run({ name: 'builtin', publish: ['9200:80'] });
  const other = await lab.serve('host', 'tcp/9100');
  const before = await lab.snapshot();

  const attempt = async (publish: string[], error: RegExp): Promise<void> => {
    const name = 'second';
    await t.rejects(lab.run({ name, network: 'app', publish }), error, publish.join(' '));
    await lab.docker('rm', '-f', name);
    t.strictSame(await lab.leftovers(before), [], `nothing is left of ${publish.join(' ')}`);
  };
  await attempt(['9000:80'], /Bind for 0\.0\.0\.0:9000 failed: port is already allocated/);
  await attempt(['8000:80', '9000:80'], /Bind for 0\.0\.0\.0:9000 failed: port is already alloc/);
  await attempt(['9100:80'], /listen tcp4 0\.0\.0\.0:9100: bind: address already in use/);
  await attempt(['9200:80'], /9200.*(already in use|already allocated)/);
  await attempt(['198.18.0.1:9300:80'], /198\.18\.0\.1:9300: bind: cannot assign requested addr/);
  await attempt(
    ['127.0.0.1:9000:80'],
    /(127\.0\.0\.1|0\.0\.0\.0):9000.*(in use|already allocated)/,
  );

  await lab.run({ name: 'range', network: 'app', publish: ['9000-9002:80'], serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 9001), { name: 'range' }, 'the next of the range');
  await other.kill();
  await lab.docker('rm', '-f', 'first', 'builtin', 'range');
  await lab.docker('network', 'rm', 'app');
});

labTest('networks that are refused', ours, async (t, lab) => {
  const create = (name: string, ...args: string[]): Promise<string> =>
    lab.docker('network', 'create', '-d', DRIVER, ...args, name);
  const before = await lab.snapshot();
  const name = ['-o', 'com.docker.network.bridge.name=br-app'];
  await create('app', ...name);
  await t.rejects(create('twice', ...name), /networks have same bridge name/);
  await t.rejects(
    create('device', '-o', 'com.docker.network.bridge.name=eth0'),
    /existing interface eth0 is not a bridge/,
  );
  const problems = [
    ...['-o', 'com.docker.network.driver.mtu=abc'],
    ...['-o', 'com.docker.network.bridge.enable_icc=perhaps'],
    ...['-o', 'tsbridge.nonsense=1'],
  ];
  const error = await create('bad', ...problems).then(String, String);
  for (const option of ['driver.mtu', 'enable_icc', 'tsbridge.nonsense']) {
    t.match(error, option, `${option} is named`);
  }
  await lab.docker('network', 'rm', 'app');
  t.strictSame(await lab.leftovers(before), [], 'nothing is left');
});

labTest('options of others, and a subnet that hides a route', ours, async (t, lab, daemon) => {
  await lab.docker('network', 'create', '-d', DRIVER, '-o', 'com.example.colour=red', 'app');
  await lab.docker('network', 'create', '-d', DRIVER, '--subnet', '192.0.2.128/25', 'hidden');
  const warning = daemon?.logs.find((entry) => JSON.stringify(entry).includes('192.0.2.0/24'));
  t.equal(warning?.level, 'warn', 'a warning names the route');
  await lab.docker('network', 'rm', 'app', 'hidden');
});
