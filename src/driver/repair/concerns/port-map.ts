/** Repairs the tables of `tsbridge.port_rules=map`, when others have changed them, or chain DOCKER's exceptions. */
import type { Family } from '../../../core/address.js';
import type { Element } from '../../../core/port-map/elements.js';
import type { MapChange } from '../../../core/port-map/plan.js';
import type { Port } from '../../../core/ports/port.js';
import { protocolNumber } from '../../../core/ports/port.js';
import type { HostPort } from '../../host.js';
import { type EndpointState, hostPortsOf } from '../../state/registry.js';
import { isGuardedEndpoint } from '../../usecases/passage.js';
import type { World } from '../../world.js';
import type { Signs } from '../signs.js';
import type { Concern, Occasion } from './concern.js';
import { repairRulesRunning } from './rules.js';

/** What a repair would do to the tables of both families, a line each. */
export async function mapDifferences({
  mappedPorts,
}: Pick<World, 'mappedPorts'>): Promise<string[]> {
  const lines: string[] = [];
  for (const family of [4, 6] as const) {
    lines.push(...(await mappedPorts.repair(family, 'nothing')).lines);
  }
  return lines;
}

export class PortMapConcern implements Concern {
  readonly name = 'port-map';
  readonly signs = ['start', 'rules'] as const;

  constructor(private readonly world: World) {}

  differences(): Promise<string[]> {
    return mapDifferences(this.world);
  }

  async repair(occasion: Occasion, { families }: Signs): Promise<string[] | 'too-early'> {
    const lines: string[] = [];
    const needsGuards = await this.#needsGuards(families);
    if (needsGuards) {
      const guards = await repairRulesRunning(this.world, occasion !== 'busy', [...families]);
      if (guards === 'too-early') return guards;
      lines.push(...guards);
    }
    for (const family of [4, 6] as const) {
      if (!families.has(family)) continue;
      // The guards were not looked at, so no guarded port is added: if somebody deletes the table right now, the guards
      // may be gone, too.
      const scope = needsGuards ? 'everything' : 'unguarded';
      const done = await this.world.mappedPorts.repair(family, scope);
      lines.push(...done.lines);
      if (done.change !== undefined) await this.#forgetFlows(family, done.change);
    }
    return lines;
  }

  /**
   * Whether elements may come back that lead to ports with guards (`tsbridge.publish_from`), which are rules: if both
   * are gone and the elements were there first, they would let everybody in.
   */
  async #needsGuards(families: ReadonlySet<Family>): Promise<boolean> {
    const { mappedPorts, registry } = this.world;
    const isMapped = (state: EndpointState) => state.network.spec.portRules === 'map';
    if (!registry.endpoints().some((each) => isMapped(each) && isGuardedEndpoint(each)))
      return false;
    for (const family of families) {
      if ((await mappedPorts.repair(family, 'nothing')).lines.length > 0) return true;
    }
    return false;
  }

  /**
   * Flows to repaired ports are forgotten: as long as its client sends, a UDP flow would keep the translation (or none)
   * that it began with.
   */
  async #forgetFlows(family: Family, change: MapChange): Promise<void> {
    const { conntrack, registry, strayFlows } = this.world;
    if (change.op === 'remove') return;
    const gone = change.op === 'change' ? udpPorts(family, change.remove) : [];
    if (gone.length > 0) await conntrack.removeUdpFlowsTo(gone);
    const added = change.op === 'change' ? change.add : change.elements;
    if (udpPorts(family, added).length === 0) return;
    await strayFlows.forget(
      registry
        .endpoints()
        .filter(({ network }) => network.spec.portRules === 'map')
        .map(({ spec, record }) => ({ endpoint: spec.id, bindings: hostPortsOf(record) })),
    );
  }
}

function udpPorts(family: Family, elements: readonly Element[]): HostPort[] {
  return elements.flatMap(({ set, key: [, protocol, port] }) =>
    set === 'ports' && protocol === protocolNumber.udp ? [{ family, port: port as Port }] : [],
  );
}
