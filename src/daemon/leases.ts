/** The composition root's part for connectivity tests: leases, and the calls that are made under them. */
import { leaseRoutes } from '../admin/routes/leases.js';
import type { AdminRoutes } from '../admin/server.js';
import { Leases } from '../driver/leases.js';
import type { NetworkDriver } from '../driver/network-driver.js';
import type { GenerationChoice } from '../driver/rules/generation-choice.js';
import { isLeftOfLease } from '../driver/state/leased.js';
import type { World } from '../driver/world.js';
import { optionsForAnother } from '../frontends/libnetwork/front-end.js';
import { routes } from '../frontends/libnetwork/routes.js';
import { TestNetworks } from '../operator/test-networks.js';
import type { Opened } from './opened.js';

export function testRoutes(
  world: World,
  driver: NetworkDriver,
  recovered: Promise<void>,
  opened: Opened,
  choice: Pick<GenerationChoice, 'writes'>,
): AdminRoutes {
  const { log, registry, removals, telemetry } = world;
  const leases = new Leases({
    ...{ driver, log, removed: () => removals.idle() },
    isLeft: (network) => isLeftOfLease(registry.network(network)),
  });
  opened.add('the networks of connectivity tests', () => leases.close());
  const calls = routes.flatMap(({ method, schema, prepare }) =>
    schema === undefined ? [] : [{ method, schema: schema.json, prepare }],
  );
  const tests = new TestNetworks({
    ...{ registry, leases, recovered },
    writes: (family) => choice.writes(family),
    optionsOf: optionsForAnother,
  });
  return leaseRoutes(tests, calls, telemetry);
}
