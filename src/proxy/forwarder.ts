/** What carries one published port. */
export interface Forwarder {
  /** The socket that is bound to the port, until {@link stopListening}. */
  readonly fd: number;
  /** Gives the port back; what has come in by it goes on, as far as that is possible. */
  stopListening(): void;
  /** Gives the port back and ends everything that came in by it. */
  close(): void;
  /** For UDP: drops what comes, and ends what has come, until {@link resume}; for 2 s at most. */
  pause?(): void;
  resume?(): void;
  /** Connections or sessions now. */
  readonly active: number;
}
