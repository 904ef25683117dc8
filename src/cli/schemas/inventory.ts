/** What `tsbridge ports`, `ps`, `find` and `top` answer. */
import { limitsObject } from './limits.js';
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  list,
  number,
  object,
  type Schema,
  string,
  stringOrNull,
} from './schema.js';

const containerRef = {
  anyOf: [
    {
      type: 'object',
      properties: {
        id: string,
        name: string,
        compose: object({ project: string, service: string }),
      },
      required: ['id', 'name'],
      additionalProperties: false,
    },
    { type: 'null' },
  ],
} as const satisfies Schema;

const networkRef = object({
  id: string,
  name: stringOrNull,
  bridge: string,
  /** true: made by `tsbridge connectivity-test`, with which it goes. */
  test: boolean,
});

const protocol = { enum: ['tcp', 'udp', 'sctp'] } as const;

/**
 * `rules`: rules lead packets to the container; `proxy`: a socket of the host takes them, and the proxy process
 * carries them.
 */
const reached = { enum: ['rules', 'proxy', 'no', 'depends', 'unknown'] } as const;

const portReach = object({
  /** An address outside of all networks that the host is in, by its default route. */
  elsewhere: reached,
  /** A neighbour on the network of the default route. */
  lan: reached,
  /** A program on the host. */
  host: reached,
  /** A container of another network of tsbridge. */
  otherNetworks: reached,
  because: list(object({ from: string, words: string })),
});
export type PortReach = ItemOf<typeof portReach>;

const portItem = object({
  host: object({ address: string, port: amount, family: { enum: [4, 6] } }),
  protocol,
  to: object({ address: string, port: amount }),
  container: containerRef,
  network: networkRef,
  endpoint: string,
  path: { enum: ['dnat', 'proxy', 'none'] },
  publishedBy: { enum: ['docker', 'operator'] },
  publishedSince: stringOrNull,
  /** Who reaches it, beside the host itself (tsbridge.publish_from); null: everybody. */
  publishFrom: { anyOf: [lines, { type: 'null' }] },
  listening: object({
    state: { enum: ['yes', 'loopback', 'other-address', 'no', 'unknown'] },
    on: list(object({ address: string, port: amount })),
    program: {
      anyOf: [object({ pid: amount, name: string }), { type: 'null' }],
    },
  }),
  /** null: it was not asked for by --reach. */
  reach: { anyOf: [portReach, { type: 'null' }] },
});
export type PortItem = ItemOf<typeof portItem>;

const traffic = {
  anyOf: [object({ bytes: amount, packets: amount }), { type: 'null' }],
} as const;

const endpointItem = object({
  endpoint: string,
  container: containerRef,
  network: networkRef,
  addresses: lines,
  mac: string,
  veth: string,
  inside: stringOrNull,
  mtu: { type: ['integer', 'null'] },
  received: traffic,
  sent: traffic,
  limits: limitsObject,
  /** What options ask for, as `ip route` has it: inside of the container, and on the host to the container. */
  routes: object({ inside: lines, host: lines }),
  /** The interface on which the host answers neighbours for it; `uplink`: that of the IPv6 default route. */
  answeredOn: stringOrNull,
  ports: amount,
  state: { enum: ['creating', 'created', 'ready', 'removing'] },
});
export type EndpointItem = ItemOf<typeof endpointItem>;

const networkItem = object({
  id: string,
  name: stringOrNull,
  bridge: string,
  subnets: lines,
  mtu: { type: ['integer', 'null'] },
  internal: { type: 'boolean' },
  state: { enum: ['creating', 'created', 'ready', 'removing'] },
  endpoints: amount,
  /** true: made by `tsbridge connectivity-test`, with which it goes. */
  test: boolean,
});
export type NetworkItem = ItemOf<typeof networkItem>;

const foundItem = object({
  matches: {
    enum: ['container', 'network', 'endpoint', 'bridge', 'interface', 'address', 'mac', 'port'],
  },
  network: networkItem,
  endpoint: { anyOf: [endpointItem, { type: 'null' }] },
  ports: list(portItem),
});
export type FoundItem = ItemOf<typeof foundItem>;

const rate = object({ bytesPerSecond: number, packetsPerSecond: number });
const topItem = object({
  endpoint: string,
  container: containerRef,
  network: networkRef,
  veth: string,
  received: rate,
  sent: rate,
});
export type TopItem = ItemOf<typeof topItem>;

export const portsSchema: DocumentSchema = {
  about: 'Published ports, by host port, protocol and address.',
  item: portItem,
  names: true,
};
export const psSchema: DocumentSchema = {
  about: "Endpoints: a container's connection to a network each.",
  item: endpointItem,
  names: true,
};
export const findSchema: DocumentSchema = {
  about: 'What a name, an id, an interface, an address or a port belongs to.',
  item: foundItem,
  names: true,
};
export const topSchema: DocumentSchema = {
  about: 'What passes the interfaces of containers, per second, as they see it.',
  item: topItem,
  more: { seconds: number },
  names: true,
};
