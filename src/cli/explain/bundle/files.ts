/** The files of a bundle from which `tsbridge explain --from` answers: their names, and the allow-list of each. */

import {
  inventoryAllowed,
  ipSetsAllowed,
  linkSettingsAllowed,
  linksAllowed,
  namesAllowed,
  routesAllowed,
  routingRulesAllowed,
} from '../../../operator/diags/allow-lists.js';
import type { AllowList } from '../../../operator/diags/allowed.js';
import type { FileAllowList } from '../../../operator/diags/bundle.js';

/** Kernel settings for the whole host that decide what becomes of packets: paths below /proc/sys. */
export const sysctls = [
  'net/ipv4/ip_forward',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv6/conf/all/forwarding',
  'net/ipv6/conf/all/disable_ipv6',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/netfilter/nf_conntrack_max',
] as const;

/**
 * Kernel settings of single interfaces that routing depends on: names below /proc/sys/net/ipv4/conf/NAME and net/ipv6.
 */
export const linkSettings = {
  ipv4: [
    ...(['rp_filter', 'forwarding', 'route_localnet'] as const),
    ...(['accept_local', 'send_redirects', 'src_valid_mark'] as const),
  ],
  ipv6: ['force_forwarding'],
} as const;

export const sysctlsAllowed: AllowList = Object.fromEntries(
  sysctls.map((path) => [path, ['word'] as const]),
);

/** `rules`: text of iptables-save; `native`: tables that nft made; else what the JSON may have. */
export const explainedFiles = {
  'rules-ipv4.txt': 'rules',
  'rules-ipv6.txt': 'rules',
  'rules-ipv4-legacy.txt': 'rules',
  'rules-ipv6-legacy.txt': 'rules',
  'rules-native.json': 'native',
  'ip-sets.json': ipSetsAllowed,
  'links.json': linksAllowed,
  'link-settings.json': linkSettingsAllowed,
  'sysctls.json': sysctlsAllowed,
  'routes-ipv4.json': routesAllowed,
  'routes-ipv6.json': routesAllowed,
  'routing-rules-ipv4.json': routingRulesAllowed,
  'routing-rules-ipv6.json': routingRulesAllowed,
  'inventory.json': inventoryAllowed,
  'names.json': namesAllowed,
} as const satisfies Readonly<Record<string, FileAllowList>>;

export type ExplainedFile = keyof typeof explainedFiles;
