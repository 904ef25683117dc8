/** The host's settings that decide which ports can be published. They are read each time, since they can change. */
import { ephemeralPorts, loopbackIpv6Off, reservedPorts } from '../../../core/network/sysctls.js';
import { type EphemeralPorts, parseEphemeralPorts } from '../../../core/ports/ephemeral.js';
import type { Sysctls } from '../../host.js';

export async function readEphemeralPorts(sysctls: Sysctls): Promise<EphemeralPorts> {
  const [range, reserved] = [await sysctls.read(ephemeralPorts), await sysctls.read(reservedPorts)];
  return parseEphemeralPorts(range, reserved);
}

/**
 * Whether a port that names no address is published on `::`, too. The engine tries to listen on `::1`, which
 * is missing where IPv6 is switched off, and then publishes on IPv6 only what names an IPv6 address.
 */
export async function listensOnIpv6(sysctls: Sysctls): Promise<boolean> {
  return (await sysctls.read(loopbackIpv6Off)) === '0';
}
