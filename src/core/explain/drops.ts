/** Which rules and policies dropped packets between two readings of their counters, and whose they are. */
import { shell } from '../shell-words.js';
import type { Counters, RuleTable } from './chains/rule-table.js';
import { ownerIn } from './owners.js';

/** A rule that drops or rejects, or a policy that drops, with its counters of one moment. */
export interface DropPoint {
  readonly variant: 'nft' | 'legacy' | 'native';
  /** Family of the table: `ip`, `ip6`; of native tables also `inet`, `bridge`, `netdev`, `arp`. */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Position in the chain, from 1; absent: the chain's policy. */
  readonly number?: number;
  /** Text of the rule as iptables-save or nft prints it, without counters. */
  readonly rule?: string;
  /** Absent: the kernel does not count what it drops. */
  readonly counters?: Counters;
}

/** A drop point that dropped at least one packet between two readings, with the counters of the second one. */
export interface Drops extends DropPoint {
  readonly counters: Counters;
  /** What it dropped between the readings. */
  readonly meanwhile: Counters;
  /** The program whose rule it seems to be; absent: none that is known, so most likely a person wrote it. */
  readonly owner?: string;
  /** A command line that shows the rule with its neighbours, or what its owner says; names in it are quoted for a shell. */
  readonly command: string;
}

const refusing: ReadonlySet<string> = new Set(['DROP', 'REJECT']);

export function dropPointsIn(tables: readonly RuleTable[]): DropPoint[] {
  return tables.flatMap(({ family, variant, name: table, chains }) =>
    [...chains.values()].flatMap(({ name: chain, policy, policyCounters, rules }) => {
      const place = { variant, family: family === 4 ? 'ip' : 'ip6', table, chain };
      const ofRules = rules
        .filter(({ target }) => target !== undefined && refusing.has(target.name))
        .map(({ number, text: rule, counters }) => ({
          ...{ ...place, number, rule },
          ...(counters === undefined ? {} : { counters }),
        }));
      const drops = policy === 'DROP';
      const counters = policyCounters === undefined ? {} : { counters: policyCounters };
      return drops ? [...ofRules, { ...place, ...counters }] : ofRules;
    }),
  );
}

/**
 * What dropped packets between two readings, the most packets first. A rule is known again by its text, wherever in the
 * chain it stands. One that is not in the first reading, or counted more there than in the second, was written anew in
 * between: so all that it counts was dropped in between.
 */
export function dropsBetween(before: readonly DropPoint[], after: readonly DropPoint[]): Drops[] {
  const first = byIdentity(before);
  return [...byIdentity(after)]
    .flatMap(([identity, point]): Drops[] => {
      const { counters } = point;
      if (counters === undefined) return [];
      const was = first.get(identity)?.counters;
      const isOn = was !== undefined && was.packets <= counters.packets;
      const meanwhile = {
        packets: counters.packets - (isOn ? was.packets : 0),
        bytes: counters.bytes - (isOn ? was.bytes : 0),
      };
      if (meanwhile.packets === 0) return [];
      const { variant, table, chain, rule = '' } = point;
      const owner = ownerIn({ variant, table }, chain, rule);
      return [
        {
          ...{ ...point, counters, meanwhile, command: commandFor(point, owner) },
          ...(owner === undefined ? {} : { owner }),
        },
      ];
    })
    .sort((a, b) => b.meanwhile.packets - a.meanwhile.packets);
}

/** Each drop point by place and text. Equal rules of one chain get different keys: the first, the second, … */
function byIdentity(points: readonly DropPoint[]): Map<string, DropPoint> {
  const found = new Map<string, DropPoint>();
  for (const point of points) {
    const { variant, family, table, chain, rule = '' } = point;
    for (let count = 0; ; count += 1) {
      const identity = JSON.stringify([variant, family, table, chain, rule, count]);
      if (found.has(identity)) continue;
      found.set(identity, point);
      break;
    }
  }
  return found;
}

const commandsOf: Readonly<Record<string, string>> = {
  ufw: 'ufw status verbose',
  fail2ban: 'fail2ban-client banned',
  firewalld: 'firewall-cmd --list-all-zones',
  'Docker or tsbridge': 'tsbridge ports',
};

function commandFor(point: DropPoint, owner: string | undefined): string {
  const { variant, family, table, rule, chain } = point;
  const known = owner === undefined ? undefined : commandsOf[owner];
  if (known !== undefined) return known;
  if (rule === undefined && chain === 'FORWARD') return 'tsbridge doctor';
  if (variant === 'native') return shell`nft list chain ${family} ${table} ${chain}`;
  const tool = `${family === 'ip' ? 'iptables' : 'ip6tables'}-${variant}`;
  return shell`${tool} -t ${table} -nvL ${chain} --line-numbers`;
}
