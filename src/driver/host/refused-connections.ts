/** Ends connections that began while the rules that would have refused them were missing, as the driver sees it. */
import type { RefusedFlows } from '../../core/generations/own-options/refused-flows.js';

export interface RefusedConnections {
  /**
   * Ends the connections that `refused` refuses, and no others: has the kernel forget tracked connections of all
   * protocols, and closes the host's own TCP sockets of such connections.
   *
   * @returns how many connections were refused
   * @throws {DriverError} `firewall-failed`
   */
  end(refused: RefusedFlows): Promise<number>;
}
