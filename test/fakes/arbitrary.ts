/** Rules, networks and ports at random, for property tests and for comparing with the kernel. */
import fc from 'fast-check';
import {
  addressFromBytes,
  type Cidr,
  type Family,
  type IpAddress,
  networkOf,
} from '../../src/core/address.js';
import { type InterfaceName, parseInterfaceName } from '../../src/core/names.js';
import { gatewayModes, type NetworkSpec } from '../../src/core/network/network.js';
import { type Port, type PortBinding, protocols } from '../../src/core/ports/port.js';
import { type Matches, makeRule, type Rule, type Target } from '../../src/core/rules/rule.js';
import { interfaceName, makeBinding, makeNetwork } from '../golden/golden.js';

/** Unicast: neither 0.0.0.0/8 nor multicast, so that it may also be translated to. */
export const addressOf = (family: Family): fc.Arbitrary<IpAddress> =>
  (family === 4
    ? fc.tuple(fc.integer({ min: 1, max: 223 }), fc.uint8Array({ minLength: 3, maxLength: 3 }))
    : fc.tuple(fc.integer({ min: 32, max: 253 }), fc.uint8Array({ minLength: 15, maxLength: 15 }))
  ).map(([first, rest]) => addressFromBytes(Uint8Array.from([first, ...rest])));

export const cidrOf = (family: Family): fc.Arbitrary<Cidr> =>
  fc
    .tuple(addressOf(family), fc.integer({ min: 1, max: family === 4 ? 32 : 128 }))
    .map(([address, prefixLength]) => networkOf({ family, address, prefixLength }));

export const interfaces: fc.Arbitrary<InterfaceName> = fc
  .stringMatching(/^[a-z][a-z0-9.-]{0,13}$/)
  // `all` and `default` are folders below /proc/sys/net, and refused as names.
  .filter((text) => parseInterfaceName(text) !== undefined)
  .map(interfaceName);

const port = fc.integer({ min: 1, max: 65_535 }) as unknown as fc.Arbitrary<Port>;
const ports = fc.oneof(
  port,
  fc
    .tuple(port, port)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => (a < b ? { first: a, last: b } : { first: b, last: a })),
);

const maybeNot = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | { readonly not: T }> =>
  fc.oneof(
    value,
    value.map((not) => ({ not })),
  );

/** An absent key is a key that is not there: `exactOptionalPropertyTypes`. */
const matchesOf = (family: Family): fc.Arbitrary<Matches> =>
  fc
    .tuple(
      fc.record(
        {
          source: maybeNot(cidrOf(family)),
          destination: maybeNot(cidrOf(family)),
          inInterface: maybeNot(interfaces),
          outInterface: maybeNot(interfaces),
          localSource: fc.constant(true as const),
          localDestination: fc.constant(true as const),
          hostDestination: fc.constant(true as const),
          established: fc.constant(true as const),
        },
        { requiredKeys: [] },
      ),
      fc.oneof(
        fc.constant({}),
        fc.record({ protocol: fc.constant(family === 4 ? 'icmp' : ('icmpv6' as const)) }),
        fc.record(
          { protocol: fc.constantFrom(...protocols), sourcePort: ports, destinationPort: ports },
          { requiredKeys: ['protocol'] },
        ),
      ),
    )
    // Two conditions of one module are two matches, which iptables does not print as it takes them.
    .filter(
      ([{ localSource, localDestination, hostDestination }]) =>
        [localSource, localDestination, hostDestination].filter(Boolean).length < 2,
    )
    .map(([where, what]) => ({ ...where, ...what }) as Matches);

/** A rule of chain DOCKER, of table filter or nat, which the kernel takes. */
export const ruleOf = (family: Family): fc.Arbitrary<Rule> =>
  fc.oneof(
    fc
      .tuple(matchesOf(family), fc.constantFrom<Target>('ACCEPT', 'DROP', 'RETURN'))
      .map(([matches, target]) => makeRule(family, 'filter', 'DOCKER', matches, target)),
    fc
      .tuple(matchesOf(family), addressOf(family), ports, fc.constantFrom(...protocols))
      .map(([{ outInterface: _, sourcePort: __, ...matches }, address, to, protocol]) =>
        makeRule(
          family,
          'nat',
          'DOCKER',
          { ...matches, protocol },
          { dnat: { address, port: to } },
        ),
      ),
  );

/** Two to four networks that can be beside each other, each with published ports. */
export const networksWithPorts: fc.Arbitrary<
  { readonly network: NetworkSpec; readonly ports: readonly PortBinding[] }[]
> = fc
  .array(
    fc.record({
      icc: fc.boolean(),
      masquerade: fc.boolean(),
      mode: fc.constantFrom(...gatewayModes),
      ipv6: fc.boolean(),
      ports: fc.array(fc.record({ port, protocol: fc.constantFrom(...protocols) }), {
        maxLength: 3,
      }),
    }),
    { minLength: 2, maxLength: 4 },
  )
  .map((networks) =>
    networks.map(({ icc, masquerade, mode, ipv6, ports: published }, index) => {
      const labels = {
        'com.docker.network.bridge.enable_icc': String(icc),
        'com.docker.network.bridge.enable_ip_masquerade': String(masquerade),
        'com.docker.network.bridge.gateway_mode_ipv4': mode,
      };
      const subnet = `fd00:${index}::`;
      const network = makeNetwork(`br-${index}`, `10.${index}.0.0/24`, `10.${index}.0.1`, labels, {
        internal: mode === 'isolated',
        ...(ipv6 ? { ipv6: { subnet: `${subnet}/64`, gateway: `${subnet}1/64` } } : {}),
      });
      return {
        network,
        ports: published.flatMap((one) => [
          makeBinding(`0.0.0.0:${one.port}`, `10.${index}.0.2:80`, one.protocol),
          ...(ipv6 ? [makeBinding(`[::]:${one.port}`, `[${subnet}2]:80`, one.protocol)] : []),
        ]),
      };
    }),
  );
