/**
 * UDP flows that go past the rules of published ports. The kernel translates a flow as it has decided for
 * the first datagram. One that came while the proxy's socket was there and the rules were not is delivered to
 * the socket from then on, and the container sees the bridge's address for as long as the client sends: so
 * whenever rules of UDP ports come, the flows to these ports are forgotten.
 *
 * Meanwhile the proxy is silent on these ports: an answer of the container that passed through it after that
 * would begin a flow, too, of which the client's datagrams are then the replies, and no rule sees replies.
 */
import { familyOf } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { EndpointId } from '../../core/names.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { Conntrack, HostPort, HostPorts, Log } from '../host.js';

/** Some of the endpoint's ports are UDP: their rules have come. */
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

  /** After the rules of these ports have come. */
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

  /** A proxy that cannot be told is on its way out, or ends the pause by itself. */
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
