/** The registry: all checks of `tsbridge doctor`, in the order of docs/doctor.md. */
import type { Check } from './check.js';
import { capacityChecks } from './checks/capacities.js';
import { daemonChecks } from './checks/daemon.js';
import { linkChecks } from './checks/links.js';
import { otherChecks } from './checks/others.js';
import { packetChecks } from './checks/packets.js';
import { portChecks } from './checks/ports.js';
import { ruleChecks } from './checks/rules.js';
import { settingChecks } from './checks/settings.js';

export const checks: readonly Check[] = [
  ...daemonChecks,
  ...portChecks,
  ...settingChecks,
  ...linkChecks,
  ...otherChecks,
  ...ruleChecks,
  ...packetChecks,
  ...capacityChecks,
];
