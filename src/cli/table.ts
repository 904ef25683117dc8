/** The table of commands. What a command is: table/entry.ts; how one is made: define.ts. */

import { connectivityTestCommand } from './commands/change/connectivity-test.js';
import { forgetCommand } from './commands/change/forget.js';
import { gcCommand } from './commands/change/gc.js';
import { publishCommand } from './commands/change/publish.js';
import { reconcileCommand } from './commands/change/reconcile.js';
import { setCommand } from './commands/change/set.js';
import { setupCommand } from './commands/change/setup.js';
import { unpublishCommand } from './commands/change/unpublish.js';
import { completeCommand, completionCommand } from './commands/completion.js';
import { daemonCommand } from './commands/daemon.js';
import { helpCommand } from './commands/help.js';
import { diagsCommand } from './commands/look/diags.js';
import { diffCommand } from './commands/look/diff.js';
import { doctorCommand } from './commands/look/doctor.js';
import { dropsCommand } from './commands/look/drops.js';
import { eventsCommand } from './commands/look/events.js';
import { explainCommand } from './commands/look/explain.js';
import { frrConfigCommand } from './commands/look/frr-config.js';
import { healthCommand } from './commands/look/health.js';
import { findCommand } from './commands/look/inventory/find.js';
import { portsCommand } from './commands/look/inventory/ports.js';
import { psCommand } from './commands/look/inventory/ps.js';
import { topCommand } from './commands/look/inventory/top.js';
import { logsCommand } from './commands/look/logs.js';
import { metricsCommand } from './commands/look/metrics.js';
import { pageCommand } from './commands/look/page.js';
import { statusCommand } from './commands/look/status.js';
import { traceCommand } from './commands/look/trace.js';
import { schemaCommand } from './commands/schema.js';
import type { Command } from './table/entry.js';

/** In the order of `tsbridge --help`. */
export const commands: readonly Command[] = [
  daemonCommand(),
  statusCommand,
  portsCommand,
  psCommand,
  findCommand,
  topCommand,
  doctorCommand,
  dropsCommand,
  explainCommand,
  traceCommand,
  pageCommand,
  connectivityTestCommand,
  diffCommand,
  eventsCommand,
  logsCommand,
  metricsCommand,
  healthCommand,
  publishCommand,
  unpublishCommand,
  setCommand,
  reconcileCommand,
  forgetCommand,
  gcCommand,
  diagsCommand,
  setupCommand,
  frrConfigCommand,
  schemaCommand,
  completionCommand(() => commands),
  helpCommand(() => commands),
  completeCommand,
];
