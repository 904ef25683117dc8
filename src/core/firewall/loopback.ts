/** The networks that never leave a host. */
import type { Cidr, Family } from '../address.js';

/** `127.0.0.0/8` or `::1/128`: what Docker leaves to the userland proxy. */
export function loopbackNetwork(family: Family): Cidr {
  return (
    family === 4
      ? { family, address: '127.0.0.0', prefixLength: 8 }
      : { family, address: '::1', prefixLength: 128 }
  ) as Cidr;
}
