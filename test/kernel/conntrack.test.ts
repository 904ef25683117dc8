import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('conntrack')) {
  t.plan(0, 'needs the program conntrack');
  process.exit(0);
}
const { parseIp } = await import('../../src/core/address.js');
const { parsePort } = await import('../../src/core/ports/port.js');
const { ConntrackNetlink } = await import('../../src/host/netlink/conntrack.js');

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const port = (value: number) => known(parsePort(value));
const ip = (text: string) => known(parseIp(text));
const ipCommand = (...lines: readonly string[]) => run('ip', ['-batch', '-'], lines.join('\n'));

// Names of namespaces are files in /run/netns.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
/** client (10.8.0.2) — this namespace, with a port published — server (10.9.0.2) */
for (const [index, name] of ['client', 'server'].entries()) {
  const subnet = `10.${8 + index}.0`;
  const subnet6 = `fd00:${8 + index}::`;
  run('ip', ['netns', 'add', name]);
  ipCommand(
    `link add ${name} type veth peer name eth0 netns ${name}`,
    `address add ${subnet}.1/24 dev ${name}`,
    `address add ${subnet6}1/64 dev ${name} nodad`,
    `link set ${name} up`,
  );
  run(
    'ip',
    ['-netns', name, '-batch', '-'],
    [
      `address add ${subnet}.2/24 dev eth0`,
      `address add ${subnet6}2/64 dev eth0 nodad`,
      'link set eth0 up',
      `route add default via ${subnet}.1`,
      `route add default via ${subnet6}1`,
    ].join('\n'),
  );
}
run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
for (const [tool, target] of [
  ['iptables', '10.9.0.2:53'],
  ['ip6tables', '[fd00:9::2]:53'],
] as const) {
  const rule = ['-p', 'udp', '--dport', '5353', '-j', 'DNAT', '--to-destination', target];
  run(tool, ['-t', 'nat', '-A', 'PREROUTING', ...rule]);
}

/** One datagram from inside a namespace to each of these. */
function send(namespace: string, ...targets: readonly (readonly [string, number])[]): void {
  const script = `
    const dgram = require('node:dgram');
    const targets = ${JSON.stringify(targets)};
    for (const [type, colon] of [['udp4', false], ['udp6', true]]) {
      const own = targets.filter(([host]) => host.includes(':') === colon);
      const socket = dgram.createSocket(type);
      const next = (error) => {
        if (error) throw error;
        const target = own.shift();
        if (target === undefined) socket.close();
        else socket.send('x', target[1], target[0], next);
      };
      next();
    }`;
  run('ip', ['netns', 'exec', namespace, process.execPath, '-e', script]);
}
const tracked = (family: 'ipv4' | 'ipv6') =>
  run('conntrack', ['-L', '-f', family, '-o', 'extended'])
    .split('\n')
    .filter((line) => line !== '');

/** As this kernel can, and as older ones can. */
for (const removesByFilter of [true, false]) {
  const conntrack = new ConntrackNetlink(removesByFilter);
  const how = removesByFilter ? 'by filter' : 'listed first';

  t.test(`${how}: without any flow`, async () => {
    run('conntrack', ['-F']);
    await conntrack.removeUdpFlowsTo([{ family: 4, port: port(5353) }]);
    await conntrack.removeFlowsOf([ip('10.9.0.2')]);
  });

  t.test(`${how}: UDP flows to a host port, whatever became of them`, async (t) => {
    send('client', ['10.8.0.1', 5353], ['10.9.0.1', 5353], ['10.8.0.1', 5354], ['fd00:8::1', 5353]);
    t.equal(tracked('ipv4').length, 3);
    t.match(tracked('ipv4').join('\n'), /dst=10\.8\.0\.1 .*dport=5353 .*src=10\.9\.0\.2/, 'a DNAT');
    await conntrack.removeUdpFlowsTo([{ family: 4, port: port(5353) }]);
    t.equal(tracked('ipv4').length, 1);
    t.match(tracked('ipv4')[0], /dport=5354/);
    t.equal(tracked('ipv6').length, 1, 'of the other family nothing goes');
    t.strictSame(
      conntrack.deletions.port,
      removesByFilter ? { flows: 0, filters: 1 } : { flows: 2, filters: 0 },
    );
    await conntrack.removeUdpFlowsTo([{ family: 6, port: port(5353) }]);
    t.same(tracked('ipv6'), []);
  });

  t.test(`${how}: UDP flows at a host port, also those that it has begun`, async (t) => {
    run('conntrack', ['-F']);
    const answer = `
      const socket = require('node:dgram').createSocket('udp4');
      socket.bind(5353, () => socket.send('x', 9999, '10.8.0.2', () => socket.close()));`;
    run(process.execPath, ['-e', answer]);
    send('client', ['10.8.0.1', 5353], ['10.8.0.1', 5354]);
    t.match(tracked('ipv4').join('\n'), /src=10\.8\.0\.1 .*sport=5353 dport=9999/);
    await conntrack.removeUdpFlowsTo([{ family: 4, port: port(5353) }]);
    t.equal(tracked('ipv4').length, 2, 'one way');
    await conntrack.removeUdpFlowsAt([{ family: 4, port: port(5353) }]);
    t.equal(tracked('ipv4').length, 1, 'both ways');
    t.match(tracked('ipv4')[0], /dport=5354/);
  });

  t.test(`${how}: several ports`, async (t) => {
    send('client', ['10.8.0.1', 6001], ['10.8.0.1', 6002], ['10.8.0.1', 6003]);
    const ports = [6001, 6002].map((value) => ({ family: 4 as const, port: port(value) }));
    await conntrack.removeUdpFlowsTo(ports);
    const left = tracked('ipv4').join('\n');
    t.notMatch(left, /dport=600[12]/);
    t.match(left, /dport=6003/);
  });

  t.test(`${how}: flows of containers`, async (t) => {
    run('conntrack', ['-F']);
    // Through the DNAT: the container's address is the source of the replies. Out of the container:
    // it is their destination.
    send('client', ['10.8.0.1', 5353], ['10.8.0.1', 7000], ['fd00:8::1', 5353]);
    send('server', ['10.8.0.2', 7001], ['10.9.0.1', 7002]);
    t.equal(tracked('ipv4').length, 4);
    await conntrack.removeFlowsOf([ip('10.9.0.2')]);
    const left = tracked('ipv4');
    t.equal(left.length, 1);
    t.match(left[0], /dport=7000/);
    t.equal(tracked('ipv6').length, 1);

    send('client', ['10.8.0.1', 5353]);
    await conntrack.removeFlowsOf([ip('10.9.0.2'), ip('10.9.0.77'), ip('fd00:9::2')]);
    t.equal(tracked('ipv4').length, 1);
    t.same(tracked('ipv6'), []);
  });

  t.test(`${how}: calls at a time share the work, and each is done when it says so`, async (t) => {
    run('conntrack', ['-F']);
    send('client', ['10.8.0.1', 5353], ['10.8.0.1', 6001], ['10.8.0.1', 6002], ['fd00:8::1', 6003]);
    await Promise.all([
      conntrack.removeFlowsOf([ip('10.9.0.2')]),
      conntrack.removeUdpFlowsTo([{ family: 4, port: port(6001) }]),
      conntrack.removeUdpFlowsTo([]),
      conntrack.removeUdpFlowsTo([{ family: 6, port: port(6003) }]),
    ]);
    t.equal(tracked('ipv4').length, 1);
    t.match(tracked('ipv4')[0], /dport=6002/);
    t.same(tracked('ipv6'), []);
  });

  t.test(`${how}: a table with many flows`, async (t) => {
    run('conntrack', ['-F']);
    const others = Array.from(
      { length: 2500 },
      (_, number) => ['10.8.0.1', 10_000 + number] as const,
    );
    send('client', ['10.8.0.1', 5353], ['10.8.0.1', 6001], ...others);
    await Promise.all([
      conntrack.removeFlowsOf([ip('10.9.0.2')]),
      conntrack.removeUdpFlowsTo([{ family: 4, port: port(6001) }]),
    ]);
    t.equal(tracked('ipv4').length, others.length);
  });
}
