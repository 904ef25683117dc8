import t from 'tap';
import { parseCidr, parseIp } from '../../../src/core/address.js';
import {
  describeContainerRouteStep,
  type ObservedContainerRoute,
  planContainerRoutes,
  survivesLink,
} from '../../../src/core/network/container-routes.js';
import type { ContainerRoute } from '../../../src/core/network/network.js';

const route = (prefix: string, rest: Record<string, unknown> = {}): ContainerRoute =>
  ({
    destination: parseCidr(prefix),
    ...rest,
    ...(rest.via === undefined ? {} : { via: parseIp(String(rest.via)) }),
  }) as ContainerRoute;
const seen = (...[prefix, rest]: Parameters<typeof route>): ObservedContainerRoute => ({
  isOwnLink: true,
  ...route(prefix, rest),
});
const plan = (...[desired, observed]: Parameters<typeof planContainerRoutes>) =>
  planContainerRoutes(desired, observed).map((step) => describeContainerRouteStep('veth0', step));

t.test('what is there is left alone, with what nobody asks for', async (t) => {
  const desired = [
    route('10.9.0.0/24', { via: '10.5.0.9', metric: 50 }),
    route('10.0.0.0/8', { refusal: 'blackhole' }),
    route('fd00:9::/64', { via: 'fd00:5::9' }),
    route('::/0', { via: 'fd00:5::1', metric: 5 }),
  ];
  const observed = [
    seen('10.9.0.0/24', { via: '10.5.0.9', metric: 50 }),
    // The kernel leads what is refused to the loopback interface, for IPv6.
    seen('10.0.0.0/8', { refusal: 'blackhole', isOwnLink: false }),
    seen('fd00:9::/64', { via: 'fd00:5::9', metric: 1024 }),
    seen('::/0', { via: 'fd00:5::1', metric: 5 }),
    seen('10.1.0.0/24', { via: '10.5.0.9' }),
  ];
  t.strictSame(plan(desired, observed), []);
});

t.test('what is missing is added, and what is in its place gives way', async (t) => {
  const desired = [
    route('10.9.0.0/24', { via: '10.5.0.9', metric: 50 }),
    route('10.8.0.0/24', { metric: 5 }),
    route('10.0.0.0/8', { refusal: 'unreachable' }),
    route('0.0.0.0/0', { via: '10.5.0.1', metric: 9 }),
  ];
  const observed = [
    seen('10.9.0.0/24', { via: '10.5.0.8', metric: 50 }),
    seen('10.9.0.0/24', { via: '10.5.0.9', metric: 51 }),
    seen('10.8.0.0/24', { metric: 5, isOwnLink: false }),
    seen('10.0.0.0/8', { refusal: 'blackhole' }),
  ];
  const where = 'inside of the container behind veth0';
  t.strictSame(plan(desired, observed), [
    `remove the route 10.9.0.0/24 via 10.5.0.8 metric 50 ${where}`,
    `add the route 10.9.0.0/24 via 10.5.0.9 metric 50 ${where}`,
    `remove the route 10.8.0.0/24 metric 5 ${where}`,
    `add the route 10.8.0.0/24 metric 5 ${where}`,
    `remove the route blackhole 10.0.0.0/8 ${where}`,
    `add the route unreachable 10.0.0.0/8 ${where}`,
    `add the route default via 10.5.0.1 metric 9 ${where}`,
  ]);
  t.strictSame(desired.map(survivesLink), [false, false, true, false]);
});
