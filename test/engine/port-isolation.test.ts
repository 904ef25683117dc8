/** `tsbridge.port_isolation` on real engines: containers of one network that reach everybody but each other. */
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';

for (const suite of ['bookworm', 'forky'] as const) {
  labTest(
    `isolated ports do not reach each other, ${suite}`,
    { skip: SKIP_BUILT_IN, suite },
    async (t, lab) => {
      const isolation = ['-o', 'tsbridge.port_isolation=true'];
      await lab.docker('network', 'create', '-d', 'tsbridge', ...isolation, 'app');
      for (const name of ['one', 'two']) {
        await lab.run({ name, network: 'app', serve: ['tcp/80'] });
      }
      const open = 'name=app,driver-opt=tsbridge.port_isolation=false';
      await lab.run({ name: 'open', network: open, serve: ['tcp/80'] });
      const { address, gateway } = await addressesIn(lab, 'app');
      const host = await lab.serve('host', 'tcp/9003');
      const outside = await lab.serve('lan', 'tcp/9001');
      const [one = '', two = ''] = [address.get('one'), address.get('two')];
      for (const [from, to] of [
        ['one', two],
        ['two', one],
      ] as const) {
        await t.rejects(lab.askIn(from, to, 80, { timeoutMs: 1_500 }), `${from} to the other one`);
        const place = await lab.container(from);
        const resolved = await lab.exec(['ip', 'neigh', 'show', to], place);
        t.match(resolved, /FAILED|INCOMPLETE/, 'not even ARP passes');
        t.match(await lab.askIn(from, gateway, 9003), { name: 'lab' }, `${from} to the gateway`);
        t.match(await lab.askIn(from, String(address.get('open')), 80), { name: 'open' });
        t.match(await lab.askIn('open', to === one ? two : one, 80), { name: from });
        t.match(await lab.askIn(from, ADDRESSES.world, 9001), { name: 'lab' }, 'to the outside');
      }
      await host.kill();
      await outside.kill();
      await lab.docker('rm', '-f', 'one', 'two', 'open');
      await lab.docker('network', 'rm', 'app');
    },
  );
}

async function addressesIn(
  lab: Lab,
  network: string,
): Promise<{ readonly address: ReadonlyMap<string, string>; readonly gateway: string }> {
  const address = new Map<string, string>();
  let gateway = '';
  for (const name of ['one', 'two', 'open']) {
    const { [network]: found } = (await lab.inspect(name)).NetworkSettings.Networks;
    address.set(name, String(found?.IPAddress));
    gateway = String(found?.Gateway);
  }
  return { address, gateway };
}
