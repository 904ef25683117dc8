/** What carries one published port. */
export interface Forwarder {
  /** The socket that is bound to the port, until {@link stopListening}. */
  readonly fd: number;
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
