/** Whose rules a chain or a table holds, by the names that programs give them. */

interface Owner {
  readonly name: string;
  /** Of chains, e.g. `ufw-before-input`. */
  readonly chain?: RegExp;
  /** In the rule's text: a comment that the program writes, or the chain that it jumps to. */
  readonly text?: RegExp;
}

/** In the order in which they are asked. From the programs' own sources and rule sets. */
const owners: readonly Owner[] = [
  { name: 'the administrator (DOCKER-USER)', chain: /^DOCKER-USER$/ },
  // The chains of the options are made in core/generations/own-options/: accept-from.ts and passage.ts.
  { name: 'tsbridge (tsbridge.accept_from)', chain: /^TSBRIDGE-ACCEPT$/ },
  { name: 'tsbridge (tsbridge.publish_from)', chain: /^TSBRIDGE-(PUBLISH|PROXY)(-|$)/ },
  { name: 'tsbridge (tsbridge.egress_allow)', chain: /^TSBRIDGE-EGRESS(-|$)/ },
  { name: 'tsbridge (tsbridge.egress_ip, no_masquerade_to)', chain: /^TSBRIDGE-SOURCE$/ },
  { name: 'tsbridge (tsbridge.no_masquerade_to)', chain: /^TSBRIDGE-ANSWERS$/ },
  { name: 'tsbridge', text: /-j TSBRIDGE-/ },
  { name: 'Docker or tsbridge', chain: /^DOCKER(-|$)/, text: /-j DOCKER(-|$|\s)/ },
  { name: 'ufw', chain: /^ufw6?-/, text: /-j ufw6?-/ },
  { name: 'fail2ban', chain: /^f2b-/, text: /-j f2b-/ },
  { name: 'kube-proxy', chain: /^KUBE-/, text: /-j KUBE-|kubernetes/ },
  { name: 'Calico', chain: /^cali-/, text: /-j cali-|cali:/ },
  { name: 'Cilium', chain: /^CILIUM_/, text: /-j CILIUM_|cilium/ },
  { name: 'Flannel', chain: /^FLANNEL-/, text: /flanneld/ },
  { name: 'CNI plugins', chain: /^CNI-/, text: /-j CNI-/ },
  { name: 'netavark (Podman)', chain: /^NETAVARK[-_]/, text: /-j NETAVARK[-_]/ },
  { name: 'libvirt', chain: /^LIBVIRT_/, text: /-j LIBVIRT_|virbr/ },
  { name: 'Tailscale', chain: /^ts-/, text: /-j ts-|tailscale/ },
  { name: 'LXD', text: /generated for LXD/ },
  { name: 'Incus', text: /generated for Incus/ },
  { name: 'wg-quick', text: /wg-quick\(8\)/ },
  { name: 'firewalld', chain: /^(IN|FWD|POST|PRE)_|_direct$|ZONES/ },
];

/** undefined: nobody whom this program knows; most likely a person. */
export function ownerOf(chain: string, text: string): string | undefined {
  const found =
    owners.find((owner) => owner.chain?.test(chain)) ??
    owners.find((owner) => owner.text?.test(text));
  return found?.name;
}

/** Names of native tables, and the programs that make them. */
const tableOwners: readonly (readonly [RegExp, string])[] = [
  [/^tsbridge$/, 'tsbridge'],
  [/^firewalld/, 'firewalld'],
  [/^libvirt_network$/, 'libvirt'],
  [/^(incus|lxd)/, 'Incus or LXD'],
  [/^f2b-/, 'fail2ban'],
  [/^kube-proxy$/, 'kube-proxy'],
  [/^wg-quick-/, 'wg-quick'],
  [/^netavark$/, 'netavark (Podman)'],
  [/^docker-bridges$/, 'Docker (nftables backend)'],
  [/^calico$/, 'Calico'],
];

/** undefined: no program that is known makes a table of that name. @param table the family may stand before the name */
export function tableOwner(table: string): string | undefined {
  const name = table.split(' ').at(-1) ?? '';
  return tableOwners.find(([pattern]) => pattern.test(name))?.[1];
}

/** As {@link ownerOf}, of a table that is known. @param table a native one's name may have its family before it */
export function ownerIn(
  { variant, table }: { readonly variant: string; readonly table: string },
  chain: string,
  text: string,
): string | undefined {
  const named = variant === 'native' ? tableOwner(table) : undefined;
  return named ?? ownerOf(chain, text);
}
