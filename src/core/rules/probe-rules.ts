/**
 * Rules by which iptables shows how it writes a shape: the same shape thrice, with values that no two
 * places of a rule share, so that each byte that differs tells which value it came from.
 */
import { addressFromBytes, type Cidr, type Family, type IpAddress, networkOf } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { Port, PortMatch } from '../ports/port.js';
import {
  isNegated,
  type Matched,
  type Matches,
  makeRule,
  probeChains,
  type Rule,
  type Target,
} from './rule.js';

/** So many rules of each shape: all but the last are learnt from, and the last one has to come out. */
export const examples = [0, 1, 2] as const;
type Example = (typeof examples)[number];

const [chain, ...jumpTargets] = probeChains;

/** Rules of the same shape as `rule`, in the probe's chain, one for each of {@link examples}. */
export function probeRules({ family, table, matches, target }: Rule): Rule[] {
  return examples.map((example) => {
    const values = new ExampleValues(family, example);
    return makeRule(
      family,
      table,
      chain,
      probeMatches(matches, values),
      probeTarget(target, values),
    );
  });
}

function probeMatches(matches: Matches, values: ExampleValues): Matches {
  const { source, destination, inInterface, outInterface, sourcePort, destinationPort, ...rest } =
    matches;
  return {
    ...rest,
    ...(source === undefined ? {} : { source: like(source, (one) => values.cidr(one)) }),
    ...(destination === undefined
      ? {}
      : { destination: like(destination, (one) => values.cidr(one)) }),
    ...(inInterface === undefined ? {} : { inInterface: like(inInterface, () => values.name()) }),
    ...(outInterface === undefined
      ? {}
      : { outInterface: like(outInterface, () => values.name()) }),
    ...(sourcePort === undefined ? {} : { sourcePort: values.ports(sourcePort) }),
    ...(destinationPort === undefined ? {} : { destinationPort: values.ports(destinationPort) }),
  };
}

function probeTarget(target: Target, values: ExampleValues): Target {
  if (typeof target === 'string') return target;
  if ('jump' in target) return { jump: values.chain() };
  if ('snat' in target) return { snat: values.address() };
  const { port, base } = target.dnat;
  return {
    dnat: {
      address: values.address(),
      ...(port === undefined ? {} : { port: values.ports(port) }),
      ...(base === undefined ? {} : { base: values.port() }),
    },
  };
}

function like<T>(matched: Matched<T>, example: (value: T) => T): Matched<T> {
  return isNegated(matched) ? { not: example(matched.not) } : example(matched);
}

/** Values for one rule: each call answers with another one. */
class ExampleValues {
  #given = 0;

  constructor(
    private readonly family: Family,
    private readonly example: Example,
  ) {}

  /** Unicast, and private: iptables refuses some others as a translation's target. */
  address(): IpAddress {
    const place = this.#next();
    const length = this.family === 4 ? 4 : 16;
    const bytes = Uint8Array.from({ length }, (_, index) => 97 + place * 31 + index * 17);
    bytes[0] = (this.family === 4 ? 11 : 0x21) + place * 5 + this.example * 19;
    bytes[length - 1] = 101 + place * 23 + this.example * 37;
    for (let index = 1; index < length - 1; index += 1) {
      bytes[index] = (bytes[index] ?? 0) + this.example * 41;
    }
    return addressFromBytes(bytes);
  }

  cidr({ prefixLength }: Cidr): Cidr {
    return networkOf({ family: this.family, address: this.address(), prefixLength });
  }

  /** Of another length in each example. */
  name(): InterfaceName {
    const place = this.#next();
    return ['tb', 'tbprobe', 'tbprobelongest'][this.example]?.concat(
      String(place),
    ) as InterfaceName;
  }

  chain(): NonNullable<(typeof jumpTargets)[number]> {
    return jumpTargets[this.example] as (typeof jumpTargets)[number];
  }

  /** Its two bytes differ. */
  port(): Port {
    return (0x1137 + this.#next() * 0x0a1c + this.example * 0x2311) as Port;
  }

  ports(port: PortMatch): PortMatch {
    if (typeof port === 'number') return this.port();
    const first = this.port();
    return { first, last: port.last === 65_535 ? port.last : this.port() };
  }

  #next(): number {
    this.#given += 1;
    return this.#given;
  }
}
