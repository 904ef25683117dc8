/** A network with a container that publishes a port, on a host in memory. */
import { recover } from '../../src/driver/recover.js';
import { CalledDriver } from './called-driver.js';
import { type FakeHost, makeHost } from './fake-host.js';
import { endpointIds } from './ids.js';
import { endpointId, networkId } from './one-container.js';

export const generic = 'com.docker.network.generic';

/** A network with a container that publishes 8080. */
export async function start(
  labels: Record<string, string> = {},
  settings: Parameters<FakeHost['boot']>[0] = {},
) {
  const host = makeHost();
  const { world } = host.boot(settings);
  await recover(world);
  const driver = new CalledDriver(world, Promise.resolve());
  const ids = endpointIds(networkId, endpointId);
  await driver.createNetwork({
    networkId,
    options: { [generic]: labels },
    ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  });
  await driver.createEndpoint({
    networkId,
    endpointId,
    address: '10.5.0.2/24',
    addressIpv6: '',
    mac: '',
    options: {},
  });
  await driver.join(ids, '/run/docker/netns/1');
  const publish = () =>
    driver.publishPorts(ids, {
      'com.docker.network.portmap': [
        { Proto: 6, IP: '', Port: 80, HostIP: '0.0.0.0', HostPort: 8080, HostPortEnd: 8080 },
      ],
    });
  await publish();
  return { host, world, driver, publish, ids };
}
