/** `tsbridge.accept_from`: who may reach containers at their own addresses, without a published port. */
import { cidrText, contains } from '../../address.js';
import { parseInterfaceName } from '../../names.js';
import {
  type AcceptedSource,
  type Families,
  isInterfaceSource,
  isManaged,
  type NetworkSpec,
} from '../../network/network.js';
import type { Problems } from '../../problems.js';
import { type InvalidItem, invalidItem, parsePrefix, readList } from '../list-values.js';
import type { OptionReader } from '../option-reader.js';

export const acceptFromOptions = { acceptFrom: 'tsbridge.accept_from' } as const;
const name = acceptFromOptions.acceptFrom;
const interfacePrefix = 'dev:';

/** Prefixes, and interfaces of the host as `dev:NAME`; undefined if the option is not given. */
export function readAcceptFrom(read: OptionReader): readonly AcceptedSource[] | undefined {
  return readList(read, name, (item): AcceptedSource | InvalidItem => {
    if (!item.startsWith(interfacePrefix)) return parsePrefix(item);
    const parsed = parseInterfaceName(item.slice(interfacePrefix.length));
    return parsed === undefined
      ? invalidItem('not an interface name behind dev:')
      : { interface: parsed };
  });
}

/** Adds a problem for each source that the network cannot have. */
export function refuseAcceptFrom(
  sources: readonly AcceptedSource[] | undefined,
  network: Pick<NetworkSpec, 'internal' | 'segment' | 'ruleFamilies'> & Families,
  problems: Problems,
): void {
  if (sources === undefined) return;
  if (network.internal) {
    problems.add(`${name} cannot go with --internal: such a network has no way in; leave one out`);
  }
  if (!isManaged(network)) {
    problems.add(
      `${name} cannot go with tsbridge.bridge=unmanaged: no rule drops what is sent to a container of the LAN; leave it out`,
    );
  }
  for (const source of sources) {
    if (isInterfaceSource(source)) continue;
    const { family } = source;
    const own = family === 4 ? network.ipv4 : network.ipv6;
    const what = `${name}: ${cidrText(source)}`;
    if (own === undefined) problems.add(`${what}: the network has no IPv${family}`);
    else if (!network.ruleFamilies.includes(family)) {
      const option = family === 4 ? 'tsbridge.iptables' : 'tsbridge.ip6tables';
      problems.add(`${what} needs a rule, and ${option}=false writes none; leave one out`);
    } else if (
      contains(own.subnet, source.address) &&
      source.prefixLength >= own.subnet.prefixLength
    ) {
      problems.add(
        `${what} is in the network's own subnet ${cidrText(own.subnet)}, whose containers reach each other by enable_icc`,
      );
    }
  }
}
