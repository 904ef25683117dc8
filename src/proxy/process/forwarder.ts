import type { Family } from '../../core/address.js';
import type { PortBinding } from '../../core/ports/port.js';

/** What carries one published port, or the same port of both families. */
export interface Forwarder {
  /** The socket that is bound to the port, until {@link stopListening}. */
  readonly fd: number;
  /** Of a socket for both families: serves this one's clients, too. */
  addFamily?(binding: PortBinding): void;
  /**
   * Of a socket for both families, which is closed: goes on with this family's clients alone, on the socket
   * `fd`; connections of the other one end.
   */
  keepFamily?(family: Family, fd: number): void;
  /** Closes the port. Its connections go on; a UDP flow cannot, since its answers leave from the port. */
  stopListening(): void;
  /** Closes the port, and ends its connections or flows. */
  close(): void;
  /** UDP only: ends all flows and drops datagrams until {@link resume}, for 2 s at most. */
  pause?(): void;
  resume?(): void;
  /** Connections or sessions now. */
  readonly active: number;
}
