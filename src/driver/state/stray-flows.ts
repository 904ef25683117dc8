/**
 * UDP flows that go past the rules of published ports. The kernel decides with the first datagram how it
 * translates a flow. A flow that began before the rules were there is delivered to the proxy's socket from
 * then on, and the container sees the bridge's address in place of the client's for as long as the client
 * sends. So whenever rules of UDP ports are added, the flows to these ports are forgotten.
 *
 * Meanwhile the proxy sends nothing from these ports: an answer would begin a new flow, in which the
 * client's datagrams count as replies, which the kernel leads past the rules.
 */
import { familyOf } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { EndpointId } from '../../core/names.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { Conntrack, HostPort, HostPorts, Log } from '../host.js';

/** An endpoint and its bindings, whose rules were just added. */
export interface PortsWithRules {
  readonly endpoint: EndpointId;
  readonly bindings: readonly PortBinding[];
}

export class StrayFlows {
  constructor(
    private readonly hostPorts: Pick<HostPorts, 'pauseUdp' | 'resumeUdp'>,
    private readonly conntrack: Pick<Conntrack, 'removeUdpFlowsAt'>,
    private readonly log: Log,
  ) {}

  /** Forgets the flows to the UDP ports among these bindings. Call it after their rules were added. */
  async forget(published: readonly PortsWithRules[]): Promise<void> {
    const ports = udpPortsOf(published.flatMap(({ bindings }) => bindings));
    if (ports.length === 0) return;
    const owners = published
      .filter(({ bindings }) => bindings.some(({ protocol }) => protocol === 'udp'))
      .map(({ endpoint }) => endpoint);
    await this.#tell(() => this.hostPorts.pauseUdp(owners));
    try {
      await this.conntrack.removeUdpFlowsAt(ports);
    } finally {
      await this.#tell(() => this.hostPorts.resumeUdp(owners));
    }
  }

  /** Failures do not matter: a proxy process that cannot be asked is ending, or ends the pause by itself. */
  async #tell(ask: () => Promise<void>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'pausing UDP ports for their rules failed');
    }
  }
}

/** Each port once, however many addresses it is published on. */
export function udpPortsOf(bindings: readonly PortBinding[]): HostPort[] {
  const ports = new Map<string, HostPort>();
  for (const { protocol, hostIp, hostPort } of bindings) {
    if (protocol !== 'udp') continue;
    const family = familyOf(hostIp);
    ports.set(`${family} ${hostPort}`, { family, port: hostPort });
  }
  return [...ports.values()];
}
