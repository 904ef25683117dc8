/** The rules of one family of a host, changed as the driver's commits change them. */
import type { Family } from '../../src/core/address.js';
import type { FirewallSettings, Generation } from '../../src/core/generations/generation.js';
import type { EndpointSpec } from '../../src/core/network/endpoint.js';
import type { NetworkSpec } from '../../src/core/network/network.js';
import type { PortBinding } from '../../src/core/ports/port.js';
import { bindingsOf, type PortGroup } from '../../src/core/ports/requests.js';
import { joinBindings } from '../../src/core/ports/runs.js';
import type { PlacedRule } from '../../src/core/rules/rule.js';
import { type RuleChange, RuleSet } from '../../src/core/rules/rule-set.js';
import { planRules } from '../golden/plan-rules.js';

export class RuleHost {
  /** What was changed since the start, commit by commit. */
  readonly commits: RuleChange[][] = [];
  readonly #networks: NetworkSpec[] = [];

  constructor(
    readonly generation: Generation,
    readonly family: Family,
    readonly settings: FirewallSettings,
    readonly found = new RuleSet(),
  ) {}

  addNetwork(network: NetworkSpec): void {
    this.#add(this.rulesOf(network));
    this.#networks.push(network);
  }

  removeNetwork(network: NetworkSpec): void {
    this.#networks.splice(this.#networks.indexOf(network), 1);
    this.#remove(this.rulesOf(network));
  }

  addContainer(network: NetworkSpec, endpoint: EndpointSpec, ports: readonly PortBinding[]): void {
    this.#add(this.endpointRules(network, endpoint));
    this.#add(this.portRules(network, ports));
  }

  removeContainer(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    ports: readonly PortBinding[],
  ): void {
    this.#remove(this.portRules(network, ports));
    this.#remove(this.endpointRules(network, endpoint));
  }

  /** Of this family, with those that depend on the networks that are there. */
  rulesOf(network: NetworkSpec): PlacedRule[] {
    const { generation, family, settings } = this;
    return [
      ...generation.networkRules(network, family, settings),
      ...this.#networks.flatMap((o) => generation.pairRules?.(network, o, family) ?? []),
    ];
  }

  /** Of this family, in the generation's order. */
  portRules(network: NetworkSpec, ports: readonly PortBinding[]): PlacedRule[] {
    const groups = this.generation.orderBindings(ports.map(groupOf));
    const bindings = groups.flatMap((group) =>
      bindingsOf(group, group.request.hostPorts?.first ?? group.request.containerPort),
    );
    return joinBindings(bindings, network.portRules)
      .flatMap((ports) => this.generation.portRules(network, ports, this.settings))
      .filter(({ rule }) => rule.family === this.family);
  }

  endpointRules(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    return this.generation.endpointRules(network, endpoint, this.family);
  }

  #add(add: readonly PlacedRule[]): void {
    const base = this.generation.baseRules(this.family, this.settings);
    this.commits.push(planRules(this.found, base, { add, remove: [] }));
  }

  #remove(rules: readonly PlacedRule[]): void {
    const base = this.generation.baseRules(this.family, this.settings);
    const remove = rules.map(({ rule }) => rule);
    this.commits.push(planRules(this.found, base, { add: [], remove }));
  }
}

/** As `-p HOST:PORT:CPORT` would have asked for it. */
export function groupOf(binding: PortBinding): PortGroup {
  const { protocol, containerPort, hostIp, hostPort, containerIp } = binding;
  return {
    request: { protocol, containerPort, hostIp, hostPorts: { first: hostPort, last: hostPort } },
    addresses: [{ hostIp, containerIp }],
  };
}
