/**
 * The lab itself, with Docker's built-in driver: what the other engine tests stand on.
 */
import t from 'tap';
import { ADDRESSES, Lab } from '../lab/lab.js';

t.test('a published port of a bridge network, and nothing left after it', async (t) => {
  const lab = await Lab.create({ suite: 'bookworm' });
  t.teardown(() => lab.dispose());
  const before = await lab.snapshot();

  await lab.docker('network', 'create', '-d', 'bridge', 'app');
  await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
  await lab.run({ name: 'client', network: 'app' });

  const fromLan = await lab.ask('lan', ADDRESSES.host, 8080);
  t.match(fromLan, { name: 'web', peer: ADDRESSES.lan });
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' });
  t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' });
  await t.rejects(lab.ask('lan', ADDRESSES.host, 8081), /ECONNREFUSED/);

  const world = await lab.serve('lan', 'tcp/9000', `udp/9000@${ADDRESSES.world}`);
  const client = await lab.container('client');
  for (const proto of ['tcp', 'udp'] as const) {
    const answer = await lab.ask(client, ADDRESSES.world, 9000, { proto });
    t.equal(answer.peer, ADDRESSES.host, `masqueraded over ${proto}`);
  }
  await world.kill();

  t.not(await lab.leftovers(before, 0), [], 'the snapshot sees the network');
  await lab.docker('rm', '-f', 'web', 'client');
  await lab.docker('network', 'rm', 'app');
  t.strictSame(await lab.leftovers(before), []);
});
