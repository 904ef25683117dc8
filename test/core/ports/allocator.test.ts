import fc from 'fast-check';
import t from 'tap';
import type { IpAddress } from '../../../src/core/address.js';
import { PortAllocator } from '../../../src/core/ports/allocator.js';
import { parseEphemeralPorts, parseEphemeralRange } from '../../../src/core/ports/ephemeral.js';
import type { Port, PortRequest } from '../../../src/core/ports/port.js';
import type { PortGroup } from '../../../src/core/ports/requests.js';

const ip = (text: string) => text as IpAddress;
const group = (host?: [number, number], ...addresses: string[]): PortGroup => ({
  request: {
    protocol: 'tcp',
    containerPort: 80,
    hostIp: undefined,
    hostPorts: host && { first: host[0], last: host[1] },
  } as PortRequest,
  addresses: (addresses.length === 0 ? ['0.0.0.0'] : addresses).map((hostIp) => ({
    hostIp: ip(hostIp),
    containerIp: ip('10.5.0.2'),
  })),
});
const owner = (name: string) => ({ name, wayOut: 'stop that container' });
const allocator = (range?: string, reserved?: string) =>
  new PortAllocator(parseEphemeralPorts(range, reserved));

t.test('each address goes on from the last port that it got', async (t) => {
  const ports = allocator('32768\t60999');
  const first = ports.take(group(undefined, '0.0.0.0', '::'), owner('one'));
  ports.release(first);
  t.match(
    ports.take(group(undefined, '::'), owner('two')),
    [{ hostPort: 60998 }],
    'also the second one',
  );
});

t.test('a port is given out once', async (t) => {
  const ports = allocator('32768\t60999');
  const taken = ports.take(group([8080, 8080]), owner('endpoint one'));
  for (const address of ['0.0.0.0', '127.0.0.1']) {
    t.throws(() => ports.take(group([8080, 8080], address), owner('two')), {
      code: 'port-allocated',
      // The address that has it, as in Docker.
      message: 'Bind for 0.0.0.0:8080 failed: port is already allocated (tcp, by endpoint one)',
    });
  }
  t.ok(ports.take(group([8080, 8080], '::'), owner('two')), 'IPv6 is another matter');
  ports.release(taken);
  t.ok(ports.take(group([8080, 8080], '127.0.0.1'), owner('two')));
  t.ok(ports.take(group([8080, 8080], '127.0.0.2'), owner('three')), 'two addresses do not clash');
  t.throws(
    () => ports.take(group([8080, 8080]), owner('four')),
    /Bind for 127\.0\.0\.1:8080 failed/,
  );
});

t.test('any free port is taken from the top down, and a range from its beginning', async (t) => {
  const ports = allocator('40000 40002');
  const take = (host?: [number, number]) =>
    ports.take(group(host, '0.0.0.0', '::'), owner('x'))[0]?.hostPort;
  t.same([take(), take(), take()], [40002, 40001, 40000]);
  t.throws(take, /all ports are allocated: no tcp port of 40000-40002 is free/);
  const held = ports.take(group([50, 52]), owner('x'));
  t.equal(held[0]?.hostPort, 50);
  ports.release(held);
  t.equal(take([50, 52]), 51, 'not the one just given back');
});

t.test('all that is given out can be had at the same time', async (t) => {
  const address = fc.constantFrom('0.0.0.0', '127.0.0.1', '192.0.2.1', '::', '::1');
  const wish = fc.tuple(address, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }));
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 30 }), (wishes) => {
      const ports = allocator();
      const given: string[] = [];
      for (const [hostIp, first, more] of wishes) {
        try {
          const [binding] = ports.take(group([first, first + more], hostIp), owner('x'));
          if (binding) given.push(`${binding.hostIp} ${binding.hostPort}`);
        } catch {
          // None was free.
        }
      }
      const wide = given.filter((entry) => /^(0\.0\.0\.0|::) /.test(entry));
      const clash = wide.some((entry) => {
        const [any = '', port] = entry.split(' ');
        return given.some((other) => {
          const [ip = '', number] = other.split(' ');
          return other !== entry && number === port && ip.includes(':') === any.includes(':');
        });
      });
      return new Set(given).size === given.length && !clash;
    }),
  );
  t.pass();
});

t.test('ports that the administrator has reserved are not among the free ones', async (t) => {
  const ports = allocator('40000 40005', '40005,40002-40003');
  const take = () => ports.take(group(), owner('x'))[0]?.hostPort;
  t.same([take(), take(), take()], [40004, 40001, 40000]);
  t.throws(take, /all ports are allocated/);
  t.match(
    ports.take(group([40005, 40005]), owner('x')),
    [{ hostPort: 40005 }],
    'but can be asked for',
  );
  ports.ephemeral = parseEphemeralPorts('40000 40006', '');
  t.equal(take(), 40006, 'what holds now');
  t.ok(
    parseEphemeralPorts('1 9', '5-99999999').isReserved(65535 as Port),
    'no longer than there are',
  );
});

t.test('the ephemeral range of the host', async (t) => {
  t.same(parseEphemeralRange('32768\t60999\n'), { first: 32768, last: 60999 });
  for (const text of [undefined, '', 'x', '5 4', '1 70000']) {
    t.same(parseEphemeralRange(text), { first: 49153, last: 65535 }, `${text}`);
  }
});
