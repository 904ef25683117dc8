/** Settings of one endpoint (`--driver-opt`), on the newest engine of the lab: what reaches a plugin. */
import { DRIVER, labTest } from '../lab/fixture.js';
import { ADDRESSES } from '../lab/lab.js';

const on = { suite: 'forky' } as const;
const option = 'driver-opt=com.docker.network.endpoint';

labTest('a name for the interface in the container', on, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const named = `name=app,${option}.ifname=lan0`;
  await lab.run({ name: 'web', network: named, serve: ['tcp/80'] });
  const links = await lab.docker('exec', 'web', 'ls', '/sys/class/net');
  const wanted = DRIVER === 'tsbridge' ? 'eth0' : 'lan0';
  t.strictSame(links.split(/\s+/).filter(Boolean).sort(), [wanted, 'lo'].sort());
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});

labTest('a container whose IPv6 is switched off by its settings', on, async (t, lab) => {
  const subnets = ['--ipv6', '--subnet', '10.5.0.0/24', '--subnet', 'fd00:5::/64'];
  await lab.docker('network', 'create', '-d', DRIVER, ...subnets, 'app');
  const off = `name=app,${option}.sysctls=net.ipv6.conf.IFNAME.disable_ipv6=1`;
  await lab.run({ name: 'web', network: off, publish: ['8080:80'], serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
  t.match(await lab.ask('host', '::1', 8080), { name: 'web' }, 'IPv6 by the proxy');
  await lab.run({ name: 'next', network: 'app', serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'another one beside it');
  await lab.docker('rm', '-f', 'web', 'next');
  await lab.docker('network', 'rm', 'app');
});
