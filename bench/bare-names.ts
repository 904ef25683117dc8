/** The rows of bare-host.ts, which itself can only be loaded in a network namespace of its own. */
export const bareRows = [
  'memory, idle',
  'publish 1000 ports: handler',
  'revoke 1000 ports: handler',
  'publish one port, idle: p50',
  'publish one port, idle: p99',
  'container with 1000 ports: set up, beside netavark',
  'container with 1000 ports: tear down, beside netavark',
  'flat: last network beside the first',
  'flat: last endpoint beside the first',
  'flat: last port beside the first',
  "flat: last port beside the kernel's floor",
  'adoption: start to serving',
  'adoption: rules rewritten',
  'adoption: packets lost',
  'repair after iptables -F',
  'memory, 1000 ports, no engine',
  'longest stall: 1000 ports',
  'longest stall: networks',
  'longest stall: endpoints and ports',
  'longest stall: adoption and repair',
] as const;
export type BareRow = (typeof bareRows)[number];
