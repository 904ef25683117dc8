/** Links as tests of the kernel ask for them. */
import { parseMac } from '../../src/core/address.js';
import { parseInterfaceName } from '../../src/core/names.js';

export const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
export const name = (text: string) => known(parseInterfaceName(text));
export const mac = known(parseMac('02:42:aa:bb:cc:dd'));
export const bridge = (text: string, mtu?: number) => ({
  kind: 'bridge' as const,
  name: name(text),
  mac,
  mtu,
});
export const veth = (host: string, container: string, bridgeName: string, more: object = {}) => ({
  kind: 'veth' as const,
  names: { host: name(host), container: name(container) },
  bridge: name(bridgeName),
  mtu: undefined,
  hairpin: false,
  ...more,
});
