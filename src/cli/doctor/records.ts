/** Reads networks and published ports from the daemon's records, whether or not it runs. */
import type { Config } from '../../config/config.js';
import type { Records } from '../../core/doctor/facts.js';
import type { EgressAddress, Passage } from '../../core/network/passage.js';
import { frontEnds } from '../../frontends/libnetwork/front-end.js';
import { lookAtRecords } from '../../host/look/records.js';
import { registryOf } from '../../operator/inventory/from-records.js';
import type { NamesView } from '../inventory/names.js';

export function readKnown(config: Config, names: NamesView): Records {
  const registry = registryOf(lookAtRecords(config.stateDir), frontEnds(), config);
  const nameOf = (id: string, bridge: string) => names.networkName(id) ?? bridge;
  return {
    // Those that a call is just making or removing are left out: checks would find parts of them missing.
    networks: registry
      .networks()
      .filter(({ record }) => record.phase === 'ready')
      .map(({ spec }) => ({ spec, name: nameOf(spec.id, spec.bridge) })),
    addresses: registry
      .endpoints()
      .filter(({ record }) => record.phase === 'ready')
      .flatMap(({ spec, network }) =>
        [spec.ipv4, spec.ipv6].flatMap((cidr) =>
          cidr === undefined
            ? []
            : {
                container: names.containerOf(spec.id)?.name ?? spec.id.slice(0, 12),
                ...{ bridge: network.spec.bridge, address: cidr.address, mac: spec.mac },
              },
        ),
      ),
    ports: registry
      .endpoints()
      .filter(({ record }) => record.phase === 'ready')
      .flatMap(({ spec, record, network }) =>
        [...record.bindings, ...record.added.flatMap(({ bindings }) => bindings)].map(
          ({ protocol, hostIp, hostPort, containerIp, containerPort }) => ({
            network: nameOf(network.spec.id, network.spec.bridge),
            bridge: network.spec.bridge,
            container: names.containerOf(spec.id)?.name ?? spec.id.slice(0, 12),
            ...{ protocol, hostPort, hostIp, containerIp, containerPort },
            ...(record.sandboxKey === undefined ? {} : { sandbox: record.sandboxKey }),
          }),
        ),
      ),
    egress: [
      ...registry.networks().flatMap(({ spec, record }) => {
        return record.phase === 'ready' ? egressOf(nameOf(spec.id, spec.bridge), spec) : [];
      }),
      ...registry.endpoints().flatMap(({ spec, record }) => {
        const name = names.containerOf(spec.id)?.name ?? spec.id.slice(0, 12);
        return record.phase === 'ready' ? egressOf(name, spec) : [];
      }),
    ],
    unreadable: registry.unreadable.all().map(({ reason }) => reason),
  };
}

/**
 * The addresses of `tsbridge.egress_ip` that a network or an endpoint names itself; one without the option has none
 * here.
 */
function egressOf(
  object: string,
  { passage }: { readonly passage?: Passage },
): readonly EgressAddress[] {
  const { egressIp } = passage ?? {};
  if (typeof egressIp !== 'object') return [];
  return Object.values(egressIp).map((address) => ({ object, address }));
}
