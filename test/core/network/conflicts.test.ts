import t from 'tap';
import { DriverError } from '../../../src/core/errors.js';
import { conflictsWith } from '../../../src/core/network/conflicts.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { messageFrom, networkSpec } from '../../fakes/inputs.js';

const words = { removeNetwork: 'docker network rm', listNetworks: 'docker network ls' };
const network = (digit: string, name: string, subnet: string, subnet6?: string): NetworkSpec =>
  networkSpec({
    id: digit.repeat(64),
    labels: { 'com.docker.network.bridge.name': name },
    ipv4: [{ pool: subnet }],
    ...(subnet6 === undefined ? {} : { ipv6: [{ pool: subnet6 }] }),
  });

t.test('networks with other bridges and subnets do not conflict', async (t) => {
  const one = network('1', 'br1', '10.1.0.0/16', 'fd00:1::/64');
  t.doesNotThrow(() => conflictsWith(one, [], words));
  t.doesNotThrow(() => conflictsWith(one, [one], words), 'a network is no conflict with itself');
  const others = [
    network('2', 'br2', '10.2.0.0/16', 'fd00:2::/64'),
    network('3', 'br3', '10.3.0.0/16'),
  ];
  t.doesNotThrow(() => conflictsWith(one, others, words));
});

t.test('a conflict of networks names the other network', async (t) => {
  const one = network('1', 'br1', '10.1.0.0/16', 'fd00:1::/64');
  const others = [
    network('2', 'br1', '10.2.0.0/16'),
    network('3', 'br3', '10.1.7.0/24'),
    network('4', 'br4', '10.4.0.0/16', 'fd00::/16'),
    network('5', 'br5', '10.5.0.0/16'),
  ];
  const conflict = () => conflictsWith(one, others, words);
  t.throws(conflict, DriverError);
  t.throws(conflict, { code: 'network-conflict' });
  const message = messageFrom(conflict);
  t.match(
    message,
    'cannot create network 111111111111 (br1): conflicts with network 222222222222 (br1): networks have same bridge name;',
  );
  t.match(
    message,
    '333333333333 (br3): networks have overlapping IPv4 (10.1.0.0/16 and 10.1.7.0/24)',
  );
  t.match(
    message,
    '444444444444 (br4): networks have overlapping IPv6 (fd00:1::/64 and fd00::/16)',
  );
  t.match(message, /docker network rm/);
  t.notMatch(message, '555555555555');
  const twice = messageFrom(() => conflictsWith(one, [network('2', 'br1', '10.0.0.0/8')], words));
  t.match(twice, /same bridge name, and networks have overlapping IPv4/);
});
