/** Whether a bridge leads to the outside: rules of Docker's on it then drop what other networks send there. */

/** What only a host has for its way out, and no container or virtual machine; hardware has no kind. */
const kindsOfNics: ReadonlySet<string> = new Set(['', 'bond', 'team', 'vlan', 'macvlan', 'ipvlan']);

/** The ports that are the host's, and not a container's or a virtual machine's (veth, tun). */
export function nicsAmong(
  ports: readonly { readonly name: string; readonly kind?: string | undefined }[],
): string[] {
  return ports.filter(({ kind = '' }) => kindsOfNics.has(kind)).map(({ name }) => name);
}
