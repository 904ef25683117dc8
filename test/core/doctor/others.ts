/** Faults of what others do with interfaces, addresses and tables of networks. */
import type { FactParts } from '../../../src/core/doctor/facts.js';
import type { NetworkFamily } from '../../../src/core/network/network.js';
import { ip } from '../explain/host.js';
import { address, network } from './sound.js';

const translated = { ...network(20).spec.ipv4, gatewayMode: 'nat' } as NetworkFamily;

/** @param records those of the sound host, with these parts changed */
export const faultsOfOthers = (
  records: (more: Partial<FactParts['records']>) => Partial<FactParts>,
): readonly (readonly [string, Partial<FactParts>, RegExp])[] => [
  [
    'map-missing',
    records({ networks: [network(20, { portRules: 'map', ipv4: translated })] }),
    /IPv4: no table ip tsbridge of nf_tables/,
  ],
  [
    'managed-by-networkd',
    {
      managed: [
        { name: 'br-20', manager: 'systemd-networkd', state: 'configured' },
        { name: 'veth1', manager: 'systemd-networkd', state: 'failed' },
      ],
    },
    /^net20 \| systemd-networkd says of br-20: configured, and 1 more \| printf '\[Match\].*' 'br-20 veth\*' > \/etc\/systemd\/network\/05-br-20\.network && networkctl reload$/,
  ],
  [
    'managed-by-networkmanager',
    { managed: [{ name: 'br-21', manager: 'NetworkManager', state: 'managed' }] },
    /^net21 \| NetworkManager says of br-21: managed \| nmcli device set br-21 managed no$/,
  ],
  [
    'address-used-twice',
    { seen: [{ device: 'br-20', address: ip('172.20.0.2'), mac: '02:00:00:00:00:09' }] },
    /^172\.20\.0\.2 \| 172\.20\.0\.2 of web \(02:42:ac:14:00:02\) is at 02:00:00:00:00:09 on br-20 \| bridge fdb show br br-20 \| grep -i 02:00:00:00:00:09$/,
  ],
  [
    'address-used-twice',
    records({ addresses: [address('web'), address('db')] }),
    /belongs to web and db \| tsbridge find 172\.20\.0\.2$/,
  ],
];
