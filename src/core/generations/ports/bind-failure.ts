/**
 * Why a host port cannot be had, in the words of the host's engine generation
 * (docs/docker-bridge.md 3.10).
 */
import { familyOf } from '../../address.js';
import { errnoText } from '../../errno.js';
import { DriverError } from '../../errors.js';
import { hostAndPort, type PortBinding } from '../../ports/port.js';
import type { GenerationName } from '../generation.js';

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program holds it (ss -lnp shows which); publish another host port',
  EADDRNOTAVAIL: 'the host has no such address',
  EPROTONOSUPPORT: 'this kernel lacks the protocol',
};

export function bindFailure(
  failure: { readonly listener: { readonly binding: PortBinding }; readonly code: string },
  userlandProxy: boolean,
  generation: GenerationName,
): DriverError {
  const { binding } = failure.listener;
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  const reason = errnoText(failure.code);
  const where = hostAndPort(hostIp, hostPort);
  const hint = advice[failure.code];
  const tail = hint === undefined ? '' : ` (${hint})`;
  if (generation === 'docker28' || generation === 'docker29') {
    const target = `${where}:${hostAndPort(containerIp, containerPort)}/${protocol}`;
    return new DriverError(
      'port-unavailable',
      `failed to bind host port for ${target}: ${reason}${tail}`,
    );
  }
  const prefix = userlandProxy ? 'Error starting userland proxy: ' : '';
  const network = `${protocol}${generation === 'docker17' ? '' : familyOf(hostIp)}`;
  return new DriverError(
    'port-unavailable',
    `${prefix}listen ${network} ${where}: bind: ${reason}${tail}`,
  );
}
