/** Checks of rules: whether those of tsbridge's networks are there, and whether rules of others stand in their way. */

import type { RuleTable } from '../../explain/chains/rule-table.js';
import { familiesOf } from '../../network/network.js';
import { mapFamilies } from '../../port-map/elements.js';
import { portMapTable } from '../../rules/chains/own-chains.js';
import { check, shell, wholeHost } from '../check.js';
import type { KnownPort } from '../facts.js';

const reconcile = 'tsbridge reconcile';
const toolOf = ({ family, variant }: RuleTable, what = ''): string =>
  `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}${what}`;

/** Whether any rule of the table names this interface. */
function mentions(table: RuleTable, bridge: string): boolean {
  for (const { rules } of table.chains.values()) {
    for (const { matches } of rules) {
      for (const { options } of matches) {
        for (const { flag, values } of options) {
          if ((flag === '-i' || flag === '-o') && values[0] === bridge) return true;
        }
      }
    }
  }
  return false;
}

const hasDocker = ({ chains }: RuleTable): boolean => chains.has('DOCKER');

const isReachable = ({ hostIp }: KnownPort): boolean => !/^(127\.|::1$)/.test(hostIp);

export const ruleChecks = [
  check({
    code: 'chains-missing',
    severity: 'error',
    detects:
      'There are networks, and table filter has no chain DOCKER, or chain FORWARD does not jump to DOCKER-USER.',
    means: 'Networks are not isolated from each other, and published ports are not reached.',
    remedy:
      'The daemon brings rules back within a second; with the command, at once. tsbridge events --kind repair tells who takes ' +
      'them away.',
    hides: ['rules-missing', 'drift', 'forward-policy-drops', 'packets-refused'],
    settles: true,
    needs: ['records', 'rules', 'own'],
    find({ records, rules, own }) {
      return ([4, 6] as const).flatMap((family) => {
        const has = records.networks.some(({ spec }) => spec.ruleFamilies.includes(family));
        if (!has || !own.writesRules[family]) return [];
        const filters = rules.filter((table) => table.family === family && table.name === 'filter');
        const isWhole = filters.some(({ chains }) => {
          const jumps = chains.get('FORWARD')?.rules.map(({ target }) => target?.name) ?? [];
          return (
            chains.has('DOCKER') && (!chains.has('DOCKER-USER') || jumps.includes('DOCKER-USER'))
          );
        });
        if (isWhole) return [];
        const there = filters.some(hasDocker)
          ? 'FORWARD does not jump to DOCKER-USER'
          : 'no chain DOCKER';
        return [
          {
            object: wholeHost,
            evidence: `IPv${family}, table filter: ${there}`,
            command: reconcile,
          },
        ];
      });
    },
  }),
  check({
    code: 'rules-missing',
    severity: 'error',
    detects: 'No rule of table filter is about the bridge of a network.',
    means: 'The network is not isolated from others, and its published ports are not reached.',
    remedy:
      'The daemon brings rules back within a second; with the command, at once. tsbridge diff shows what differs.',
    hides: ['drift', 'forward-policy-drops', 'packets-refused'],
    settles: true,
    needs: ['records', 'rules', 'own'],
    find({ records, rules, own }) {
      return records.networks.flatMap(({ spec, name }) =>
        familiesOf(spec).flatMap(({ family }) => {
          if (!own.writesRules[family] || !spec.ruleFamilies.includes(family)) return [];
          if (spec.lanFirewall === 'none') return [];
          const filters = rules.filter(
            (table) => table.family === family && table.name === 'filter',
          );
          if (filters.some((table) => mentions(table, spec.bridge))) return [];
          const evidence = `IPv${family}: no rule of table filter names ${spec.bridge}`;
          return [{ object: name, evidence, command: reconcile }];
        }),
      );
    },
  }),
  check({
    code: 'map-missing',
    severity: 'error',
    detects:
      'Published ports of a network are in a map (tsbridge.port_rules=map), and its table is not there.',
    means:
      "What other hosts send to these ports goes through the proxy process, so that containers see the bridge's address in place " +
      "of the client's; with --userland-proxy=false it is refused.",
    remedy:
      'The daemon brings the table back within a second; with the command, at once. tsbridge events --kind repair tells who ' +
      'takes it away.',
    hides: ['drift', 'packets-refused'],
    settles: true,
    needs: ['records', 'own', 'native'],
    find({ records, own, native }) {
      return records.networks.flatMap(({ spec, name }) =>
        mapFamilies(spec).flatMap((family) => {
          const ip = family === 4 ? 'ip' : 'ip6';
          const isThere = native.some((one) => one.family === ip && one.table === portMapTable);
          if (!own.writesRules[family] || isThere) return [];
          const evidence = `IPv${family}: no table ${ip} ${portMapTable} of nf_tables`;
          return [{ object: name, evidence, command: reconcile }];
        }),
      );
    },
  }),
  check({
    code: 'variants-mixed',
    severity: 'error',
    detects: 'Both variants of iptables, nft and legacy, hold a chain DOCKER.',
    means:
      'Packets pass both; the rules of one of them belong to nobody who keeps them up to date.',
    remedy:
      'The command lists the variant that the engine does not use; `iptables --version` says which it does. Remove its rules, or ' +
      'start the host anew.',
    hides: ['legacy-leftovers'],
    needs: ['rules'],
    find({ rules }) {
      return ([4, 6] as const).flatMap((family) => {
        const own = rules.filter((table) => table.family === family && hasDocker(table));
        const legacy = own.find(({ variant }) => variant === 'legacy');
        if (legacy === undefined || !own.some(({ variant }) => variant === 'nft')) return [];
        const evidence = `IPv${family}: chain DOCKER is in ${own.map((table) => `${toolOf(table)} (${table.name})`).join(', ')}`;
        return [{ object: `IPv${family}`, evidence, command: toolOf(legacy, '-save') }];
      });
    },
  }),
  check({
    code: 'legacy-leftovers',
    severity: 'warning',
    detects:
      'iptables-legacy holds rules or a policy DROP, while the engine’s are in iptables-nft.',
    means: 'Rules that `iptables -L` does not show act on every packet, too.',
    remedy:
      'The command lists them; `tsbridge explain` counts them in. What nobody needs can be deleted with iptables-legacy.',
    needs: ['rules'],
    find({ rules }) {
      if (!rules.some((table) => table.variant === 'nft' && hasDocker(table))) return [];
      return ([4, 6] as const).flatMap((family) => {
        const legacy = rules.filter(
          (table) => table.family === family && table.variant === 'legacy',
        );
        const chains = legacy.flatMap((table) => [...table.chains.values()]);
        const count = chains.reduce((sum, chain) => sum + chain.rules.length, 0);
        const drops = chains.filter(({ policy }) => policy === 'DROP').length;
        const [first] = legacy;
        if (first === undefined || count + drops === 0) return [];
        const evidence = `IPv${family}: ${count} rules and ${drops} policies DROP in iptables-legacy`;
        return [{ object: `IPv${family}`, evidence, command: toolOf(first, '-save') }];
      });
    },
  }),
  check({
    code: 'engine-uses-nftables',
    severity: 'warning',
    detects:
      'There is a table docker-bridges: an engine was started with firewall-backend=nftables.',
    means:
      'The rules of the engine’s own networks are in that table, and those of tsbridge in iptables: neither isolates its networks from the other’s.',
    remedy:
      'Take firewall-backend out of the engine’s settings; the command shows where it stands. tsbridge keeps to the engine’s iptables backend.',
    needs: ['native'],
    find: ({ native }) =>
      native.some(({ table }) => table === 'docker-bridges')
        ? [
            {
              object: wholeHost,
              evidence: 'nft has a table docker-bridges',
              command: 'grep -rs firewall-backend /etc/docker/daemon.json /etc/systemd/system',
            },
          ]
        : [],
  }),
  check({
    code: 'ufw-bypassed',
    severity: 'warning',
    detects:
      'ufw is on, a port is published on an address that others reach, and chain DOCKER-USER does not ask ufw.',
    means:
      'The port is open for everybody, whatever ufw’s rules say: they are asked for packets to the host itself only.',
    remedy:
      'Publish on 127.0.0.1 what only this host needs. The command keeps the port for this host and its own networks; write rules with ' +
      '--ctorigdstport, since the port is the container’s by then.',
    needs: ['records', 'rules', 'ufwIsOn', 'routes'],
    find({ records, rules, ufwIsOn, routes }) {
      if (!ufwIsOn) return [];
      const asked = rules.some(({ chains }) =>
        chains.get('DOCKER-USER')?.rules.some(({ target }) => target?.name.startsWith('ufw')),
      );
      const open = asked ? [] : records.ports.filter(isReachable);
      const [first] = open;
      const uplink = routes.find(({ destination }) => destination === undefined)?.device ?? 'eth0';
      if (first === undefined) return [];
      const { hostIp, hostPort, protocol, container } = first;
      const more = open.length === 1 ? '' : `, and ${open.length - 1} others`;
      const evidence = `${container} publishes ${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:${hostPort}/${protocol}${more}`;
      const command = shell`iptables -I DOCKER-USER -i ${uplink} -p ${protocol} -m conntrack --ctorigdstport ${hostPort} -j DROP`;
      return [{ object: wholeHost, evidence, command }];
    },
  }),
];
