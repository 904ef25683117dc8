/** Settings of one endpoint (`--driver-opt`), on the newest engine of the lab: what a plugin can do. */
import { DRIVER, labTest } from '../lab/fixture.js';

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
