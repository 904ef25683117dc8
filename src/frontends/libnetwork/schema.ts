/**
 * The JSON that engines send (docs/docker-bridge.md 7.4), field names as Go writes them.
 *
 * Schemas check types only; the core parses the texts. Only fields without which a call has no meaning are
 * required, and null stands for an absent map or list, as Go writes them.
 */
import type { IpamPool } from '../../core/options/input.js';

/** A JSON Schema, and the type that a body has after it. */
export interface BodySchema<Body> {
  readonly json: Readonly<Record<string, unknown>>;
  /** Never there: ties the type to the schema. */
  readonly body?: Body;
}

const text = { type: 'string' } as const;
const map = { type: 'object', nullable: true } as const;

function object<Body>(
  properties: Readonly<Record<keyof Body, unknown>>,
  required: readonly (keyof Body & string)[],
): BodySchema<Body> {
  return { json: { type: 'object', properties, required } };
}

export type WireMap = Readonly<Record<string, unknown>> | null;

interface WirePool {
  readonly AddressSpace?: string;
  readonly Pool?: string;
  readonly Gateway?: string;
  readonly AuxAddresses?: Readonly<Record<string, string>> | null;
}

const pools = {
  type: 'array',
  nullable: true,
  items: {
    type: 'object',
    properties: {
      AddressSpace: text,
      Pool: text,
      Gateway: text,
      AuxAddresses: { ...map, additionalProperties: text },
    },
  },
} as const;

/** Absent keys stay absent. */
export function poolsOf(list: readonly WirePool[] | null | undefined): IpamPool[] {
  return (list ?? []).map(({ AddressSpace, Pool, Gateway, AuxAddresses }) => ({
    ...(AddressSpace === undefined ? {} : { addressSpace: AddressSpace }),
    ...(Pool === undefined ? {} : { pool: Pool }),
    ...(Gateway === undefined ? {} : { gateway: Gateway }),
    ...(AuxAddresses === undefined || AuxAddresses === null ? {} : { auxAddresses: AuxAddresses }),
  }));
}

export interface NetworkBody {
  readonly NetworkID: string;
}
export const networkBody = object<NetworkBody>({ NetworkID: text }, ['NetworkID']);

export interface EndpointBody extends NetworkBody {
  readonly EndpointID: string;
}
const endpointFields = { NetworkID: text, EndpointID: text };
export const endpointBody = object<EndpointBody>(endpointFields, ['NetworkID', 'EndpointID']);

export interface CreateNetworkBody extends NetworkBody {
  readonly Options?: WireMap;
  readonly IPv4Data?: readonly WirePool[] | null;
  readonly IPv6Data?: readonly WirePool[] | null;
}
export const createNetworkBody = object<CreateNetworkBody>(
  { NetworkID: text, Options: map, IPv4Data: pools, IPv6Data: pools },
  ['NetworkID'],
);

export interface OptionsBody {
  readonly Options?: WireMap;
}
export const optionsBody = object<OptionsBody>({ Options: map }, []);

interface WireInterface {
  readonly Address?: string;
  readonly AddressIPv6?: string;
  readonly MacAddress?: string;
}
export interface CreateEndpointBody extends EndpointBody {
  readonly Interface?: WireInterface | null;
  readonly Options?: WireMap;
}
export const createEndpointBody = object<CreateEndpointBody>(
  {
    ...endpointFields,
    Interface: { ...map, properties: { Address: text, AddressIPv6: text, MacAddress: text } },
    Options: map,
  },
  ['NetworkID', 'EndpointID'],
);

export interface JoinBody extends EndpointBody {
  readonly SandboxKey?: string;
  readonly Options?: WireMap;
}
export const joinBody = object<JoinBody>({ ...endpointFields, SandboxKey: text, Options: map }, [
  'NetworkID',
  'EndpointID',
]);

export interface ProgramBody extends EndpointBody {
  readonly Options?: WireMap;
}
export const programBody = object<ProgramBody>({ ...endpointFields, Options: map }, [
  'NetworkID',
  'EndpointID',
]);
