/**
 * How long `tsbridge doctor` takes on a host with many networks, three published ports on each. Needs root; works in a
 * network namespace of its own.
 *
 *     node --import=tsx bench/doctor.ts [NETWORKS]
 */
import { inFreshNamespace, run } from '../test/process/netns.js';

inFreshNamespace();
const { DoctorHost } = await import('../test/doctor/host.js');

const networks = Number(process.argv[2] ?? 100);
const portsOnEach = [2, 3, 4];
const runs = 7;

const host = await DoctorHost.make();
try {
  const links: string[] = [];
  const filter: string[] = [];
  const nat: string[] = [];
  for (let number = 0; number < networks; number += 1) {
    const [bridge, prefix] = [`bb-${number}`, `10.${number}.0`];
    writeRecords(number, bridge, prefix);
    links.push(
      `link add ${bridge} type bridge`,
      `link set ${bridge} up`,
      `address add ${prefix}.1/16 dev ${bridge}`,
    );
    filter.push(
      `-A FORWARD -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-A FORWARD -o ${bridge} -j DOCKER`,
      `-A FORWARD -i ${bridge} ! -o ${bridge} -j ACCEPT`,
      `-A FORWARD -i ${bridge} -o ${bridge} -j ACCEPT`,
    );
    for (const last of portsOnEach) {
      const [inside, port] = [`v${number}x${last}`, 10_000 + number * 10 + last];
      links.push(`link add ${inside} type veth peer name p${number}x${last}`);
      links.push(`link set ${inside} master ${bridge} up`);
      filter.push(
        `-A DOCKER -d ${prefix}.${last}/32 ! -i ${bridge} -o ${bridge} -p tcp --dport 80 -j ACCEPT`,
      );
      nat.push(
        `-A DOCKER ! -i ${bridge} -p tcp --dport ${port} -j DNAT --to-destination ${prefix}.${last}:80`,
      );
    }
    filter.push(`-A DOCKER ! -i ${bridge} -o ${bridge} -j DROP`);
  }
  run('ip', ['-batch', '-'], links.join('\n'));
  const tables = `*filter\n${filter.join('\n')}\nCOMMIT\n*nat\n${nat.join('\n')}\nCOMMIT\n`;
  run('iptables-restore', ['-n'], tables);
  for (let count = 0; count < runs; count += 1) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const { items } = await host.find('--skip=disk-nearly-full', '--skip=port-not-held');
    const took = Math.round(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    const own = Math.round((user + system) / 1_000);
    process.stdout.write(
      `${took} ms, ${own} ms of its own processor time, ${items.length} findings\n`,
    );
  }
} finally {
  await host.close();
}

function writeRecords(number: number, bridge: string, prefix: string): void {
  const id = (0x1000 + number).toString(16).padEnd(64, '0');
  const [pool, gateway] = [`${prefix}.0/16`, `${prefix}.1/16`];
  host.put('networks', id, {
    ...{ phase: 'ready', sequence: 1, bridgeMade: true, addressesMade: [] },
    frontEnd: 'libnetwork',
    ruleSettings: {
      ...{ generation: 'docker28', userlandProxy: true, loopbackSpared: true },
      ...{ masquerade: true, allowDirectRouting: false },
    },
    input: {
      networkId: id,
      options: {
        'com.docker.network.generic': { 'com.docker.network.bridge.name': bridge },
      },
      ipv4Data: [{ AddressSpace: '', Pool: pool, Gateway: gateway, pool, gateway }],
      ipv6Data: [],
    },
  });
  for (const last of portsOnEach) {
    const endpoint = (0x100000 + number * 10 + last).toString(16).padEnd(64, '0');
    host.put('endpoints', endpoint, {
      ...{ phase: 'ready', sequence: 2, nameAttempt: 0, networkId: id, endpointId: endpoint },
      ...{ frontEnd: 'libnetwork', yielded: [], opened: [], exposed: [] },
      bindings: [['tcp', '0.0.0.0', 10_000 + number * 10 + last, `${prefix}.${last}`, 80]],
      input: {
        ...{ networkId: id, endpointId: endpoint, address: `${prefix}.${last}/16` },
        ...{ addressIpv6: '', mac: '', options: {} },
      },
    });
  }
}
