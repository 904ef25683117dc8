/** Connections that began while the rules that would have refused them were gone, as the driver sees them. */
import type { RefusedFlows } from '../../core/generations/refused-flows.js';

export interface RefusedConnections {
  /**
   * Ends what is refused, and nothing else: forgets tracked connections of all protocols, and closes the host's own TCP
   * sockets of them.
   *
   * @returns how many connections were refused
   * @throws {DriverError} `firewall-failed`
   */
  end(refused: RefusedFlows): Promise<number>;
}
