/** What the host's settings say of the ports that can be published on it. Read each time: they can change. */
import { ephemeralPorts, loopbackIpv6Off, reservedPorts } from '../../core/network/sysctls.js';
import { type EphemeralPorts, parseEphemeralPorts } from '../../core/ports/ephemeral.js';
import type { Sysctls } from '../host.js';

export async function readEphemeralPorts(sysctls: Sysctls): Promise<EphemeralPorts> {
  const [range, reserved] = [await sysctls.read(ephemeralPorts), await sysctls.read(reservedPorts)];
  return parseEphemeralPorts(range, reserved);
}

/**
 * Whether a port that names no address is published on `::`, too. Where IPv6 is off there is no `::1`; the
 * engine tries to listen on that once, and then publishes on `::` only what names it.
 */
export async function listensOnIpv6(sysctls: Sysctls): Promise<boolean> {
  return (await sysctls.read(loopbackIpv6Off)) === '0';
}
