/**
 * Networks that were told otherwise than the daemon, on real engines: what Docker has for all
 * networks at once only, so there is no built-in driver to compare with.
 */
import { DRIVER, labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Suite } from '../lab/lab.js';
import { Asker, populate, unpopulate } from '../lab/paths.js';

const { host: address } = ADDRESSES;

/** How a published port is reached, and what the server sees, without the proxy and with it. */
const ways = [
  ['lan', address, 'lan', 'lan'],
  ['host', address, 'gateway', 'host'],
  ['host', '127.0.0.1', 'gateway', 'gateway'],
  ['client', address, 'client', 'gateway'],
  ['web', address, 'gateway', 'gateway'],
] as const;

for (const suite of ['bookworm', 'forky'] satisfies Suite[]) {
  for (const daemon of [true, false]) {
    const flags = daemon ? [] : ['--userland-proxy=false'];
    const name = `${suite}: ${daemon ? 'without' : 'with'} the proxy, unlike the daemon`;
    // Forwarding is on already: whoever switches it on leaves another policy.
    const host = { suite, forwarding: true, dockerdArgs: flags, tsbridgeArgs: flags };
    labTest(name, { ...host, skip: SKIP_BUILT_IN }, async (t, lab) => {
      await populate(lab, DRIVER, ['-o', `tsbridge.userland_proxy=${!daemon}`]);
      const asker = new Asker(lab);
      for (const [from, to, off, on] of ways) {
        const seen = await asker.askUntilAnswered({ from, to, port: 8080 });
        t.equal(seen, daemon ? off : on, `${from} → ${to}`);
      }
      const loopback = { from: 'host', to: '127.0.0.1', port: 8081 } as const;
      t.equal(await asker.askUntilAnswered(loopback), 'gateway', 'published on 127.0.0.1');
      await unpopulate(lab);
    });
  }
}
