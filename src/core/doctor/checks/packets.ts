/** Checks of what became of simulated packets: a network promises that they pass. */
import { ownerIn } from '../../explain/owners.js';
import { check, type Found, shell, shellWord } from '../check.js';
import type { PacketOutcome, SimulatedPacket } from '../facts.js';

type Refused = SimulatedPacket & { readonly outcome: Extract<PacketOutcome, { end: 'refused' }> };

const isRefusedByAny = (simulated: SimulatedPacket): simulated is Refused =>
  simulated.outcome.end === 'refused';
/** Whether a rule or policy of iptables refused the packet, and not one of nft's own tables. */
const isRefused = (simulated: SimulatedPacket): simulated is Refused =>
  isRefusedByAny(simulated) && simulated.outcome.variant !== 'native';
const isRefusedByNft = (simulated: SimulatedPacket): simulated is Refused =>
  isRefusedByAny(simulated) && simulated.outcome.variant === 'native';
const isOurs = ({ kind }: SimulatedPacket): boolean => kind !== 'others';

const packetWords = ({
  packet: { source, destination, destinationPort },
}: SimulatedPacket): string =>
  `${source} -> ${destination.includes(':') ? `[${destination}]` : destination}:${destinationPort}`;

function explainCommand({ packet }: SimulatedPacket): string {
  const { source, inInterface = '', destination, destinationPort, protocol } = packet;
  const to = destination.includes(':') ? `[${destination}]` : destination;
  return shell`tsbridge explain ${`${source}%${inInterface}`} ${`${to}:${destinationPort}/${protocol === 17 ? 'udp' : 'tcp'}`}`;
}

const toolOf = ({ outcome, packet }: Refused): string =>
  `${packet.family === 4 ? 'iptables' : 'ip6tables'}-${outcome.variant}`;

/** A command that accepts the kind of traffic that the packet is an example of, in front of the rule that refuses it. */
function openingCommand(simulated: Refused): string {
  const { outcome, bridge, uplink, packet, kind } = simulated;
  const { table, chain, rule } = outcome;
  const place = shell`${toolOf(simulated)} -t ${table} -I ${chain} ${rule?.number ?? 1}`;
  if (kind !== 'published') return place + shell` -i ${bridge} -o ${uplink} -j ACCEPT`;
  const protocol = packet.protocol === 17 ? 'udp' : 'tcp';
  return (
    place +
    shell` -i ${uplink} -p ${protocol} -m conntrack --ctorigdstport ${packet.destinationPort} -j ACCEPT`
  );
}

/**
 * Commands that accept the kind of traffic that the packet is an example of, and its answers, at the top of the chain
 * that refuses it. firewalld accepts a bridge that is in its zone, where the daemon puts it.
 */
function openingInNft({ outcome, bridge, uplink, packet, kind }: Refused): string {
  const [family = '', table = ''] = outcome.table.split(' ');
  const protocol = packet.protocol === 17 ? 'udp' : 'tcp';
  if (table === 'firewalld') {
    // A port that the proxy carries is the host's own, so the zone of the interface has to open it.
    const [, zone] = /^filter_IN_([^_]+)/.exec(outcome.chain) ?? [];
    if (zone === undefined) return 'tsbridge reconcile';
    return shell`firewall-cmd ${`--zone=${zone}`} ${`--add-port=${packet.destinationPort}/${protocol}`}`;
  }
  const place = shell`nft insert rule ${family} ${table} ${outcome.chain}`;
  const first =
    kind === 'published'
      ? shell` iifname ${uplink} meta l4proto ${protocol} ct original proto-dst ${packet.destinationPort} accept`
      : shell` iifname ${bridge} oifname ${uplink} accept`;
  return `${place + first} && ${place} ct state established,related accept`;
}

/** One finding for each rule that refuses packets, however many it refuses. */
function byRule(
  packets: readonly Refused[],
  commandFor: (simulated: Refused) => string = openingCommand,
): Found[] {
  const groups = new Map<string, Refused[]>();
  for (const simulated of packets) {
    const { table, chain, rule, variant } = simulated.outcome;
    const number = rule === undefined ? 'policy' : `rule ${rule.number}`;
    const of = variant === 'native' ? 'nft' : `IPv${simulated.packet.family} ${variant}`;
    const key = `${of} ${table} ${chain} ${number}`;
    groups.set(key, [...(groups.get(key) ?? []), simulated]);
  }
  return [...groups].flatMap(([object, [first, ...more]]) => {
    if (first === undefined) return [];
    const { chain, rule, table, variant } = first.outcome;
    const owner = rule === undefined ? undefined : ownerIn({ variant, table }, chain, rule.text);
    const text =
      variant === 'native'
        ? `table ${table}, chain ${chain}: ${rule?.text ?? 'policy drop'}`
        : rule === undefined
          ? `policy DROP of ${chain}`
          : `-A ${chain} ${rule.text}`;
    const whose = owner === undefined ? '' : ` [${owner}]`;
    const others = more.length === 0 ? '' : `, and ${more.length} more like it`;
    const evidence = `${text}${whose} refuses ${packetWords(first)} (${first.object})${others}`;
    return [{ object, evidence, command: commandFor(first) }];
  });
}

const inDockerUser = ({ outcome }: Refused): boolean => outcome.chain === 'DOCKER-USER';
const byPolicy = ({ outcome }: Refused): boolean => outcome.rule === undefined;
const byUfw = ({ outcome: { chain } }: Refused): boolean => /^ufw6?-/.test(chain);

/** Refused by a rule for which no other check has a finding: not by a policy, nor in DOCKER-USER, nor in a chain of ufw. */
const elsewhere = (simulated: Refused): boolean =>
  isOurs(simulated) && !inDockerUser(simulated) && !byPolicy(simulated) && !byUfw(simulated);

export const packetChecks = [
  check({
    code: 'packets-lost',
    severity: 'error',
    detects:
      'The kernel has no way for a packet of a container to the outside, or from outside to a published port.',
    means: 'Such connections fail, whatever the rules say.',
    remedy:
      'The command follows the packet, and says why: no route, a reverse path filter, forwarding.',
    needs: ['packets'],
    find: ({ packets }) =>
      packets.flatMap((simulated) =>
        isOurs(simulated) && simulated.outcome.end === 'lost'
          ? [
              {
                object:
                  simulated.kind === 'outgoing' ? simulated.object : `port ${simulated.object}`,
                evidence: `${packetWords(simulated)}: ${simulated.outcome.words}`,
                command: explainCommand(simulated),
              },
            ]
          : [],
      ),
  }),
  check({
    code: 'forward-policy-drops',
    severity: 'error',
    detects:
      'A packet that a network promises to carry meets no rule that accepts it, and the policy of the chain drops it.',
    means: 'Containers do not reach the outside, or a published port does not answer others.',
    remedy: 'The rules of the network are not as they should be: the command puts them right.',
    needs: ['packets'],
    find: ({ packets }) =>
      byRule(
        packets.filter(isRefused).filter((simulated) => isOurs(simulated) && byPolicy(simulated)),
        () => 'tsbridge reconcile',
      ),
  }),
  check({
    code: 'packets-refused',
    severity: 'error',
    detects:
      'A rule that is neither Docker’s nor in DOCKER-USER refuses a packet that a network promises to carry, usually ahead of Docker’s rules.',
    means: 'Containers do not reach the outside, or a published port does not answer others.',
    remedy:
      'The command accepts the traffic of the example in front of the rule, and no other. Make it last where the rule comes from.',
    needs: ['packets'],
    find: ({ packets }) => byRule(packets.filter(isRefused).filter(elsewhere)),
  }),
  check({
    code: 'native-table-drops',
    severity: 'error',
    detects:
      'A rule or the policy of a table of nft’s own refuses a packet that a network promises to carry: what iptables accepts can still be dropped there.',
    means: 'Containers do not reach the outside, or a published port does not answer others.',
    remedy:
      'The command accepts the traffic of the example, and answers, at the top of that chain, and no other. Make it last where the table comes from. ' +
      'With firewalld the bridge is not in its zone, where the command puts it, or a port that the proxy carries is not open in the zone that it comes by.',
    needs: ['packets', 'native'],
    find: ({ packets }) => byRule(packets.filter(isRefusedByNft).filter(isOurs), openingInNft),
  }),
  check({
    code: 'ufw-refuses',
    severity: 'error',
    detects: 'A rule of ufw for forwarded packets refuses one that a network promises to carry.',
    means: 'Containers do not reach the outside, or a published port does not answer others.',
    remedy:
      'The command lets ufw pass on what the bridge sends out, or what comes in for it, and nothing else.',
    needs: ['packets'],
    find: ({ packets }) =>
      byRule(
        packets.filter(isRefused).filter((simulated) => isOurs(simulated) && byUfw(simulated)),
        ({ kind, bridge, uplink }) =>
          kind === 'published'
            ? shell`ufw route allow in on ${uplink} out on ${bridge}`
            : shell`ufw route allow in on ${bridge} out on ${uplink}`,
      ),
  }),
  check({
    code: 'docker-user-drops',
    severity: 'notice',
    detects:
      'A rule in chain DOCKER-USER refuses a packet to a published port, or of a container to the outside.',
    means:
      'That is what the chain is for; if nobody meant it, it is the reason why a connection fails.',
    remedy: 'The command lists the chain with its counters.',
    needs: ['packets'],
    find: ({ packets }) =>
      byRule(
        packets
          .filter(isRefused)
          .filter((simulated) => isOurs(simulated) && inDockerUser(simulated)),
        (simulated) => `${toolOf(simulated)} -nvL DOCKER-USER --line-numbers`,
      ),
  }),
  check({
    code: 'forward-policy-drops-others',
    severity: 'warning',
    detects:
      'The policy of FORWARD is DROP, which engines set, and what a bridge of others (libvirt, LXD, CNI) sends to the outside ends at it.',
    means: 'Machines behind the bridge do not reach the outside.',
    remedy:
      'The command accepts what the bridge sends to the outside, and the answers. `-I DOCKER-USER -i BRIDGE -j ACCEPT`, which ' +
      'is often advised, also opens every container to it. --ip-forward-no-drop leaves the policy alone from the start.',
    needs: ['packets'],
    find: ({ packets }) =>
      packets
        .filter(isRefused)
        .filter((simulated) => !isOurs(simulated) && byPolicy(simulated))
        .map((simulated) => {
          const [tool, bridge, uplink] = [
            toolOf(simulated),
            simulated.bridge,
            simulated.uplink,
          ].map(shellWord);
          return {
            object: simulated.object,
            evidence: `${packetWords(simulated)} ends at policy DROP of ${simulated.outcome.chain}`,
            command:
              `${tool} -A FORWARD -i ${bridge} -o ${uplink} -j ACCEPT && ` +
              `${tool} -A FORWARD -i ${uplink} -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
          };
        }),
  }),
];
