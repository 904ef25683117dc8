import fc from 'fast-check';
import t from 'tap';
import { DriverError } from '../../../src/core/errors.js';
import { parsePublish } from '../../../src/core/options/port-options.js';
import { type Protocol, protocolNumber, protocols } from '../../../src/core/ports/port.js';
import { messageFrom } from '../../fakes/inputs.js';

const portMap = 'com.docker.network.portmap';
const exposedPorts = 'com.docker.network.endpoint.exposedports';
const noProxy = 'com.docker.network.driver.private.no_proxy_6to4';
const entry = (parts: Record<string, unknown> = {}) => ({
  Proto: 6,
  IP: '',
  Port: 80,
  HostIP: '',
  HostPort: 8080,
  HostPortEnd: 8080,
  ...parts,
});
const one = (parts: Record<string, unknown>) =>
  parsePublish({ [portMap]: [entry(parts)] }).requests[0];

t.test('published ports are parsed as engines send them', async (t) => {
  t.strictSame(one({}), {
    protocol: 'tcp',
    containerPort: 80,
    hostIp: undefined,
    hostPorts: { first: 8080, last: 8080 },
  });
  t.strictSame(one({ Proto: 17, HostIP: '127.0.0.1', HostPort: 9000, HostPortEnd: 9005 }), {
    protocol: 'udp',
    containerPort: 80,
    hostIp: '127.0.0.1',
    hostPorts: { first: 9000, last: 9005 },
  });
  for (const mapped of ['::ffff:127.0.0.1', '::FFFF:7f00:1']) {
    t.match(one({ Proto: 17, HostIP: mapped }), { hostIp: '127.0.0.1' }, mapped);
  }
  t.strictSame(one({ Proto: 132, HostIP: '2001:DB8::1', HostPort: 0, HostPortEnd: 0 }), {
    protocol: 'sctp',
    containerPort: 80,
    hostIp: '2001:db8::1',
    hostPorts: undefined,
  });
  t.match(one({ HostPortEnd: 0 }), { hostPorts: { first: 8080, last: 8080 } });
  t.match(
    parsePublish({ [portMap]: [{ Proto: 6, Port: 1 }] }).requests,
    [{ hostIp: undefined, hostPorts: undefined }],
    'absent fields are zero values, as in Go',
  );
  t.strictSame(parsePublish({ [exposedPorts]: [{ Proto: 17, Port: 53 }] }).exposed, [
    { protocol: 'udp', port: 53 },
  ]);
});

t.test('a container without published ports has no requests', async (t) => {
  const nothing = { requests: [], exposed: [], noProxy6To4: false };
  t.strictSame(parsePublish({}), nothing);
  t.strictSame(parsePublish({ [portMap]: null, [exposedPorts]: [], [noProxy]: false }), nothing);
  t.equal(parsePublish({ [noProxy]: true }).noProxy6To4, true);
});

const refused: readonly [Record<string, unknown>, RegExp][] = [
  [{ Proto: 1 }, /unknown protocol 1$/],
  [{ Proto: 'tcp' }, /unknown protocol tcp$/],
  [{ Port: 0 }, /Port is not a port number from 1 to 65535$/],
  [{ Port: '80' }, /Port is not a port number/],
  [{ HostIP: 'localhost' }, /HostIP is not an IP address$/],
  [{ HostIP: 7 }, /HostIP is not an IP address$/],
  [{ HostPort: 65536 }, /are not port numbers from 0 to 65535$/],
  [{ HostPort: 1.5 }, /are not port numbers/],
  [{ HostPortEnd: '9' }, /are not port numbers/],
  [{ HostPort: 9005, HostPortEnd: 9000 }, /invalid port range: 9005-9000$/],
  [{ HostPort: 0, HostPortEnd: 9000 }, /invalid port range: 0-9000$/],
];

t.test('a published port that cannot be is refused, naming the entry', async (t) => {
  for (const [parts, message] of refused) {
    const text = messageFrom(() => one(parts));
    t.match(text, message, `${message}`);
    t.match(
      text,
      /^publishing ports: invalid port mapping data in connectivity configuration: \{"Pr/,
    );
  }
  const exposed = (value: unknown) => messageFrom(() => parsePublish({ [exposedPorts]: value }));
  t.match(exposed([{ Proto: 6 }]), /invalid exposed ports data .*: \{"Proto":6\}: Port is not/);
  t.match(exposed([{ Port: 6 }]), /unknown protocol undefined/);
  t.match(exposed([null]), /: null: not an object/);
  t.match(exposed('80'), /: 80 is not a list/);
  t.match(
    messageFrom(() => parsePublish({ [noProxy]: 'maybe' })),
    /no_proxy_6to4 value: maybe/,
  );
});

t.test('60,000 published ports are parsed, or refused in one short message', async (t) => {
  const many = Array.from({ length: 60_000 }, (_, index) => entry({ Port: index + 1 }));
  t.equal(parsePublish({ [portMap]: many }).requests.length, 60_000);
  const message = messageFrom(() =>
    parsePublish({ [portMap]: many.map(() => entry({ Port: 0 })) }),
  );
  t.match(message, /60000 problems: \(1\) .*\(20\) .*; and 59980 more$/);
  t.ok(message.length < 10_000);
});

t.test('whatever an engine can send comes out as it went in', async (t) => {
  const port = fc.integer({ min: 1, max: 65535 });
  const request = fc.record(
    {
      protocol: fc.constantFrom<Protocol>(...protocols),
      containerPort: port,
      hostIp: fc.option(fc.ipV4(), { nil: undefined }),
      hostPorts: fc.option(
        fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
        { nil: undefined },
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(request), (requests) => {
      const entries = requests.map(({ protocol, containerPort, hostIp, hostPorts }) => ({
        Proto: protocolNumber[protocol],
        IP: '',
        Port: containerPort,
        HostIP: hostIp ?? '',
        HostPort: hostPorts?.first ?? 0,
        HostPortEnd: hostPorts?.last ?? 0,
      }));
      t.strictSame(parsePublish({ [portMap]: entries }).requests, requests);
    }),
    { numRuns: 50 },
  );
});

t.test('any JSON of published ports is parsed or refused with a problem', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (ports, exposed) => {
      try {
        parsePublish({ [portMap]: ports, [exposedPorts]: exposed, [noProxy]: ports });
      } catch (error) {
        if (!(error instanceof DriverError) || error.code !== 'options-invalid') throw error;
      }
    }),
  );
});
