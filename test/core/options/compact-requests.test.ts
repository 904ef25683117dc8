import t from 'tap';
import { anyIpv4, type IpAddress } from '../../../src/core/address.js';
import { refuseSeparate } from '../../../src/core/options/compact-requests.js';
import { parsePublish } from '../../../src/core/options/port-options.js';
import type { PortRequest } from '../../../src/core/ports/port.js';

const containerIp = '10.6.0.2' as IpAddress;

/** `8000-8010:80/tcp` and so on, as the engine sends them. */
function groups(...words: readonly string[]) {
  const portMap = words.map((word) => {
    const [, first, last = first, port, protocol] =
      /^(\d+)(?:-(\d+))?:(\d+)\/(\w+)$/.exec(word) ?? [];
    const Proto = { tcp: 6, udp: 17, sctp: 132 }[protocol ?? ''];
    return { Proto, Port: Number(port), HostPort: Number(first), HostPortEnd: Number(last) };
  });
  const { requests } = parsePublish({ 'com.docker.network.portmap': portMap });
  return requests.map((request: PortRequest) => ({
    request,
    addresses: [{ hostIp: anyIpv4, containerIp }],
  }));
}

t.test('what can be joined, or need not be, is not refused', async () => {
  const fine = groups('8000:8000/tcp', '8001:8001/tcp', '9000:80/tcp', '5060:5060/sctp', '0:1/tcp');
  refuseSeparate(fine, 'compact');
  refuseSeparate(groups('0:80/tcp', '0:81/tcp', '0:82/sctp', '0:83/sctp'), 'compact');
  refuseSeparate(groups('9000:80/tcp', '9001:81/udp', '9002:90/tcp'), 'compact');
  refuseSeparate(groups('9000:80/tcp', '9001:81/tcp'), 'compact-shifted');
  refuseSeparate(groups('9000:80/tcp', '9001:81/tcp', '8000-8010:80/tcp'), 'docker');
});

t.test('ports that cannot share a rule are refused with the reason', async (t) => {
  const refused = (kind: 'compact' | 'compact-shifted', ...words: readonly string[]) => {
    try {
      refuseSeparate(groups(...words), kind);
      return 'not refused';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(
    refused('compact', '8000-8010:80/tcp'),
    /^tsbridge\.port_rules=compact: host ports 8000-8010 for container port 80\/tcp: one of them/,
  );
  t.match(
    refused('compact-shifted', '5061:5061/sctp', '5060:5060/sctp'),
    /compact-shifted: host ports 5060-5061 for container ports 5060-5061\/sctp: .* TCP and UDP only/,
  );
  t.match(
    refused('compact', '9000:80/tcp', '9001:81/tcp', '8000-8010:80/udp'),
    /2 problems: \(1\) host ports 8000-8010 .*\(2\) host ports 9000-9001 for container ports 80-81\/tcp: .*neighbouring port; publish equal numbers, .*=compact-shifted, or use a network with tsbridge\.port_rules=docker/,
  );
});
