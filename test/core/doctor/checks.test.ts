/** Each check on what was read of a host with its fault, and on the same host without it. */
import t from 'tap';
import { checks } from '../../../src/core/doctor/checks.js';
import { examine } from '../../../src/core/doctor/examine.js';
import type { FactParts, SimulatedPacket } from '../../../src/core/doctor/facts.js';
import { packet6 } from '../explain/host.js';
import { base, faults, held, legacy, links, packets, records, settings } from './faults.js';
import { soundRouting } from './routing.js';
import { soundBridges, soundFlows } from './served.js';
import { cidr, network, route, sound, tables } from './sound.js';

t.test('a host without a fault', (t) => {
  const { findings, done, notDone } = examine(checks, sound);
  t.strictSame(findings, []);
  t.equal(done, checks.length);
  t.strictSame(notDone, []);
  t.end();
});

for (const [code, fault, says] of faults) {
  t.test(code, (t) => {
    const { findings } = examine(checks, { ...sound, ...fault });
    const found = findings
      .filter((finding) => finding.code === code)
      .map(({ object, evidence, command }) => `${object} | ${evidence} | ${command}`);
    t.match(found[0] ?? '', says);
    t.end();
  });
}

t.test('every check has a fault here', (t) => {
  const here = new Set(faults.map(([code]) => code));
  t.strictSame(
    checks.filter(({ code }) => !here.has(code)).map(({ code }) => code),
    [],
  );
  t.end();
});

t.test('what is no fault', (t) => {
  const quiet = (facts: Partial<FactParts>, title: string) => {
    const { findings } = examine(checks, { ...sound, ...facts });
    t.strictSame(
      findings.map(({ code }) => code),
      [],
      title,
    );
  };
  const internal = [network(20, { internal: true }), network(21, { internal: true })];
  quiet(
    { ...records({ networks: internal }), ...settings(['net/ipv4/ip_forward', '0']) },
    'internal networks need no forwarding',
  );
  quiet(records({ networks: [], ports: [] }), 'no networks');
  quiet({ ...records({ networks: [], ports: [] }), ...base('my'), rules: [] }, 'and no rules');
  quiet({ own: { writesRules: { 4: false, 6: false } }, rules: [] }, 'no rules are written');
  quiet(base('my'), 'a policy of drop says nothing while packets pass');
  quiet(
    { routes: [...sound.routes, route('tun0', { destination: cidr('128.0.0.0/1') })] },
    'half of all addresses is a default route',
  );
  quiet({ engine: { ...sound.engine, answers: undefined } }, 'the engine may not be asked');
  quiet(held({ pid: 1, name: 'tsbridge-proxy' }), 'the proxy holds the port');
  quiet(
    {
      ...records({ networks: [network(20, { inhibitIpv4: true, ipv6: undefined })] }),
      ...links((each) => ({ ...each, addresses: each.name === 'br-20' ? [] : each.addresses })),
    },
    'a bridge that is to have no address',
  );
  quiet(
    {
      ...records({ networks: [network(20), network(21, { ruleFamilies: [] })] }),
      ...links((each) => (each.name === 'eth0' ? { ...each, master: 'br-21' } : each)),
    },
    'a network without rules on a bridge that carries a NIC',
  );
  const lan = network(21, { segment: 'unmanaged', lanFirewall: 'none', mtu: 9000 });
  const chains =
    '*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT';
  const unnamed = ([4, 6] as const).flatMap((family) => tables(chains, family));
  quiet(
    {
      ...{ ...records({ networks: [lan], ports: [] }), rules: unnamed },
      ...settings(['net/ipv4/ip_forward', '0'], ['net/ipv6/conf/all/forwarding', '0']),
    },
    'a bridge of the LAN needs no rules, no forwarding, and no smaller packets',
  );
  quiet({ ...legacy('*filter\n:INPUT ACCEPT [0:0]\nCOMMIT') }, 'an empty legacy table');
  quiet(packets(['outgoing', { end: 'unknown' }], ['others', { end: 'sent' }]), 'nothing is known');
  quiet(
    {
      ufwIsOn: true,
      rules: [
        ...sound.rules,
        ...tables(
          '*filter\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\n:ufw-user-forward - [0:0]\n-A DOCKER-USER -j ufw-user-forward\nCOMMIT',
          4,
          'nft',
        ),
      ],
    },
    'ufw is asked in DOCKER-USER',
  );
  for (const [title, facts] of [...soundFlows, ...soundBridges, ...soundRouting])
    quiet(facts, title);
  quiet({ ufwIsOn: true, ...records({ ports: [] }) }, 'ufw, and nothing is published');
  t.end();
});

t.test('a packet of IPv6 in a command', (t) => {
  const simulated: SimulatedPacket = {
    ...{ kind: 'outgoing', object: 'net20', bridge: 'br-20', uplink: 'eth0' },
    ...{ packet: packet6({ protocol: 17 }), outcome: { end: 'lost', words: 'x' } },
  };
  const [found] = examine(checks, { ...sound, packets: [simulated] }).findings;
  t.equal(found?.command, "tsbridge explain 2001:db8:9::9%eth0 '[2001:db8::1]:80/udp'");
  t.match(found?.evidence, /2001:db8:9::9 -> \[2001:db8::1\]:80/);
  t.end();
});
