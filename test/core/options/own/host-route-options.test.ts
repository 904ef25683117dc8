import t from 'tap';
import { parseEndpoint } from '../../../../src/core/options/endpoint-options.js';
import { endpointInput, messageFrom, networkSpec } from '../../../fakes/inputs.js';

const refused = (labels: Record<string, string>) => messageFrom(() => networkSpec({ labels }));
const remote = (value: string) => refused({ 'tsbridge.remote_routes': value });

t.test('routes to other hosts: everything that is wrong is said at once', async (t) => {
  t.match(
    remote('10.9.0.0/24 via 192.0.2.7,10.9.0.5/24 via 192.0.2.7,0.0.0.0/0 via 192.0.2.7'),
    /2 problems: \(1\) .*10.9.0.5\/24 via 192.0.2.7" \(an address in a network, not the network: did you mean 10.9.0.0\/24\?\); \(2\) .*default route is its administrator's: name the networks of the other host/,
  );
  t.match(remote('10.9.0.0/24'), /not a route: use CIDR via ADDRESS, e.g. 10.9.0.0\/24 via/);
  t.match(remote('10.9.0.1 via 192.0.2.7'), /not a prefix: .*; did you mean 10.9.0.1\/32\?/);
  t.match(remote('ten via 192.0.2.7'), /not a prefix: use ADDRESS\/LENGTH, e.g. 10.1.0.0\/24\)/);
  t.match(remote('10.9.0.0/24 via router'), /router is not an address of a host/);
  t.match(remote('10.9.0.0/24 via fe80::1'), /an IPv4 route needs an IPv4 next hop/);
  t.match(remote(' , '), /an empty list: leave the option out/);
  t.match(
    remote('10.5.0.128/25 via 192.0.2.7'),
    /tsbridge.remote_routes: 10.5.0.128\/25 via 192.0.2.7 overlaps the network's own subnet 10.5.0.0\/24: give each host another subnet/,
  );
  t.match(
    remote('10.9.0.0/24 via 192.0.2.7, 10.9.0.0/24 via 192.0.2.8'),
    /10.9.0.0\/24 via 192.0.2.8: there is another route to 10.9.0.0\/24; leave one out/,
  );
  const { remoteRoutes } = networkSpec({
    labels: { 'tsbridge.remote_routes': '10.9.0.0/24  via 192.0.2.7;;10.9.0.0/24  via 192.0.2.7' },
  });
  t.match(remoteRoutes, [
    { destination: { address: '10.9.0.0', prefixLength: 24 }, via: '192.0.2.7' },
  ]);
  t.equal(remoteRoutes?.length, 1);
});

t.test('ways of announcing', async (t) => {
  t.match(
    refused({ 'tsbridge.announce': 'address' }),
    /unknown way of announcing address: use subnet, addresses or none.*addresses/,
  );
  t.equal(networkSpec({ labels: { 'tsbridge.announce': 'none' } }).announce, 'none');
  t.notOk('announce' in networkSpec());
  const lan = { 'com.docker.network.bridge.name': 'br-lan', 'tsbridge.bridge': 'unmanaged' };
  t.match(
    refused({ ...lan, 'tsbridge.announce': 'addresses' }),
    /tsbridge.announce=addresses cannot go with tsbridge.bridge=unmanaged: .*leave it out/,
  );
  t.equal(networkSpec({ labels: { ...lan, 'tsbridge.announce': 'subnet' } }).announce, 'subnet');
});

t.test('prefixes behind a container', async (t) => {
  const network = networkSpec();
  const read = (value: string) =>
    parseEndpoint(endpointInput({ options: { 'tsbridge.host_routes': value } }), network).spec;
  t.match(read('10.88.0.0/24').hostRoutes, [{ address: '10.88.0.0', prefixLength: 24 }]);
  t.match(
    messageFrom(() => read('10.88.0.1/24,0.0.0.0/0,fd00:88::/64,10.5.0.64/26')),
    /4 problems: \(1\).*did you mean 10.88.0.0\/24\?.*\(2\).*default route.*\(3\).*no IPv6 address in the network that would be the next hop.*\(4\).*overlaps the network's subnet 10.5.0.0\/24/,
  );
  t.notOk('hostRoutes' in parseEndpoint(endpointInput(), network).spec);
});
