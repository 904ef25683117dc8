/** Which connections to a container's own address work, past its host ports. See docs/docker-bridge.md. */
import type { PathTest } from './path.js';
import { type Expected, no, type Situation, test, yes } from './situation.js';

/** By the container's own address: 2.3, 2.4, 2.6, 2.9, 3.4, 3.5. */
export function direct(situation: Situation): PathTest[] {
  const to = (port: 'published' | 'unpublished') => ({ at: 'container', port }) as const;
  const { network } = situation;
  // Of an internal network no port can be published.
  const ports = network.internal
    ? (['unpublished'] as const)
    : (['published', 'unpublished'] as const);
  const fromHost = test(
    situation,
    'host-to-container',
    'host',
    to('unpublished'),
    yes('any', 'the host reaches its containers'),
  );
  return [
    ...(situation.own.bridgeAddress === undefined || situation.own.gatewayMode === 'isolated'
      ? []
      : fromHost),
    ...ports.flatMap((port) => [
      ...test(
        situation,
        `outside-to-container-${port}`,
        'outside',
        to(port),
        fromOutside(situation, port),
      ),
      ...test(
        situation,
        `other-network-to-container-${port}`,
        'other',
        to(port),
        fromOtherDirectly(situation, port),
      ),
    ]),
  ];
}

function fromOutside(situation: Situation, port: 'published' | 'unpublished'): Expected {
  const { network, own, generation, host, family } = situation;
  if (network.internal) return no('nothing comes into an internal network');
  const opened = port === 'published';
  if (generation === 'docker17' || generation === 'docker20') {
    if (opened) return yes('itself', "a published port is open at the container's own address");
    return host.forwardDrops[family]
      ? no('the policy of FORWARD is DROP')
      : yes('itself', 'the policy of FORWARD is ACCEPT, and this generation closes no ports');
  }
  if (own.gatewayMode === 'nat-unprotected') return yes('itself', 'mode nat-unprotected');
  if (own.gatewayMode === 'routed') {
    return opened
      ? yes('itself', 'mode routed opens it')
      : no('mode routed opens published ports alone');
  }
  if (!opened) return no('ports that are not published are closed');
  return network.allowDirectRouting
    ? yes('itself', '--allow-direct-routing')
    : no("a container's own address is closed from outside");
}

function fromOtherDirectly(situation: Situation, port: 'published' | 'unpublished'): Expected {
  const { network, own, generation } = situation;
  if (network.internal) return no('nothing comes into an internal network');
  if (generation === 'docker17' || generation === 'docker20') {
    return no('networks are isolated from each other');
  }
  if (own.gatewayMode === 'routed') {
    return port === 'published'
      ? yes('any', 'mode routed opens it')
      : no('mode routed opens published ports alone');
  }
  if (generation === 'docker28') return no('networks are isolated from each other');
  if (own.gatewayMode === 'nat-unprotected') return yes('any', 'mode nat-unprotected');
  if (port === 'unpublished') return no('ports that are not published are closed');
  return network.allowDirectRouting
    ? yes('any', '--allow-direct-routing')
    : no("a container's own address is closed from other networks");
}
