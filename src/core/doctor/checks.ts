/** The registry: all checks of `tsbridge doctor`, in the order of docs/doctor.md. */
import type { Check } from './check.js';
import { capacityChecks } from './checks/capacities.js';
import { daemonChecks } from './checks/daemon.js';
import { hostChecks } from './checks/host.js';
import { linkChecks } from './checks/links.js';
import { otherChecks } from './checks/others.js';
import { packetChecks } from './checks/packets.js';
import { poolChecks } from './checks/pools.js';
import { portChecks } from './checks/ports.js';
import { routingChecks } from './checks/routing.js';
import { ruleChecks } from './checks/rules.js';
import { servedChecks } from './checks/served.js';
import { settingChecks } from './checks/settings.js';

export const checks: readonly Check[] = [
  ...daemonChecks,
  ...portChecks,
  ...servedChecks,
  ...hostChecks,
  ...settingChecks,
  ...linkChecks,
  ...routingChecks,
  ...otherChecks,
  ...ruleChecks,
  ...packetChecks,
  ...capacityChecks,
  ...poolChecks,
];
