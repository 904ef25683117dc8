/** What the process has carried since its start, for those who ask. */
export class TrafficCounts {
  /** Connections of clients that were joined to a container. */
  accepted = 0;
  /** Connections of clients that were reset, since no connection to the container could be begun. */
  refused = 0;
  /** Bytes of TCP from clients to containers. */
  toContainers = 0;
  toClients = 0;
}
