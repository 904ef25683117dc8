/** Forms of the places that packets come from and go to, as `explain` and `trace` take them. */
import type { Form } from './kinds.js';

export const placeForms: readonly Form[] = [
  ['web', 'the container of this name, or the one whose id begins with this text'],
  ['web@shop', 'the same container at its address on network shop, if it is on several networks'],
  ['host', 'a program on this host'],
  ['elsewhere', 'another host, beyond the networks that this one is in, by the default route'],
  ['lan', 'a neighbour on the network of the default route'],
  ['192.0.2.7', 'an address; for IPv6 2001:db8::7 or [2001:db8::7]'],
  ['192.0.2.7%eth0', 'an address whose packets arrive by this interface; for IPv6 [fe80::1]%eth0'],
];

export const manyForms: readonly Form[] = [
  ['any', 'every place'],
  ['shop', 'every address of a network of tsbridge'],
  ['192.0.2.0/24', 'every address of a subnet'],
];

export const destinationForms: readonly Form[] = [
  [':8080', 'port 8080 of this host, at its address on the interface by which the packet arrives'],
  [
    'web:80',
    'TCP port 80 of a place, which is written as for FROM; an IPv6 address in brackets: [2001:db8::7]:80',
  ],
  ['web:53/udp', 'a port of UDP; a port of SCTP is web:53/sctp'],
];

export const pingForm: Form = ['web/icmp', 'a ping to a place'];
