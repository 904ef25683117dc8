/** Metrics that are counted as things happen. Labels are fixed words: no text that others choose makes a series. */
import type { Happening, Telemetry } from '../../driver/telemetry.js';
import { Counter, Histogram, type Registry } from './library.js';

const seconds = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30],
];
/**
 * Upper bounds of a repair's duration, in seconds. A repair first waits until changes cease, so that none is faster
 * than the first bound.
 */
const repairSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const amounts = [1, 10, 100, 1_000, 10_000, 100_000];

/** Programs that are known to change rules; processes choose their names, so others are `other`. */
const knownPrograms: ReadonlySet<string> = new Set([
  ...['iptables', 'iptables-restor', 'iptables-nft-re', 'ip6tables', 'ip6tables-resto'],
  ...['ip6tables-nft-r', 'xtables-nft-mul', 'xtables-legacy-', 'nft', 'dockerd', 'firewalld'],
  ...['ufw', 'fail2ban-server', 'kube-proxy', 'kubelet', 'libvirtd', 'virtnetworkd', 'netavark'],
  ...['calico-node', 'tailscaled', 'node', 'systemd-network'],
]);

function programLabel(program: string | undefined): string {
  if (program === undefined || program === 'unknown') return 'unknown';
  return knownPrograms.has(program) ? program : 'other';
}

export class CountedMetrics implements Telemetry {
  readonly #calls;
  readonly #callDuration;
  readonly #waits;
  readonly #commits;
  readonly #commitDuration;
  readonly #commitChanges;
  readonly #repairs;
  readonly #repairChanges;
  readonly #repairDuration;
  readonly #repairFailures;
  readonly #foreign;
  readonly #reportsLost;
  readonly #records;
  readonly #events;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
      new Counter({ name, help, labelNames, registers });
    const histogram = <Label extends string>(
      name: string,
      help: string,
      labelNames: Label[],
      buckets: number[] = seconds,
    ) => new Histogram({ name, help, labelNames, buckets, registers });
    this.#calls = counter(
      'tsbridge_calls_total',
      "Calls of engines that were answered, by method and 'ok' or the error's code.",
      ['method', 'code'],
    );
    this.#callDuration = histogram(
      'tsbridge_call_duration_seconds',
      "Time from a call's arrival to its answer.",
      ['method'],
    );
    this.#waits = histogram(
      'tsbridge_call_wait_seconds',
      'Time for which work waited because other work had the same network.',
      ['lock'],
    );
    this.#commits = counter(
      'tsbridge_commits_total',
      'Transactions of rules, by address family and what wrote them.',
      ['family', 'backend', 'result'],
    );
    this.#commitDuration = histogram(
      'tsbridge_commit_duration_seconds',
      'How long a transaction of rules took.',
      ['family', 'backend'],
    );
    this.#commitChanges = histogram(
      'tsbridge_commit_changes',
      'Changes in one transaction of rules.',
      ['family'],
      amounts,
    );
    this.#repairs = counter(
      'tsbridge_repairs_total',
      'Repairs of what others had changed, by what was repaired and the program that had changed it.',
      ['what', 'program'],
    );
    this.#repairChanges = counter(
      'tsbridge_repair_changes_total',
      'Single changes that repairs made.',
      ['what'],
    );
    this.#repairDuration = histogram(
      'tsbridge_repair_duration_seconds',
      'Time from the first sign of a change to the end of its repair.',
      ['what'],
      repairSeconds,
    );
    this.#repairFailures = counter(
      'tsbridge_repair_failures_total',
      'Repairs that failed; each is tried again.',
      ['what'],
    );
    this.#foreign = counter(
      'tsbridge_foreign_changes_total',
      'Changes of rules by other programs, by program and address family (none: tables that are not ours).',
      ['program', 'family'],
    );
    this.#reportsLost = counter(
      'tsbridge_reports_lost_total',
      'Times when the kernel had more changes to report than the daemon took; everything is looked at again then.',
      ['of'],
    );
    this.#records = counter('tsbridge_record_writes_total', 'Records written to disk.', ['result']);
    this.#events = counter('tsbridge_events_total', 'Events that were told, by kind.', ['kind']);
    for (const result of ['ok', 'error']) this.#records.inc({ result }, 0);
    for (const of of ['rules', 'links']) this.#reportsLost.inc({ of }, 0);
  }

  tell(happening: Happening): void {
    switch (happening.kind) {
      case 'call': {
        const { method, code, durationMs } = happening;
        this.#calls.inc({ method, code });
        this.#callDuration.observe({ method }, durationMs / 1_000);
        break;
      }
      case 'wait':
        this.#waits.observe({ lock: happening.for }, happening.durationMs / 1_000);
        return;
      case 'commit': {
        const { family, backend, ok, changes, durationMs } = happening;
        this.#commits.inc({ family, backend, result: ok ? 'ok' : 'error' });
        this.#commitDuration.observe({ family, backend }, durationMs / 1_000);
        this.#commitChanges.observe({ family }, changes);
        return;
      }
      case 'repair': {
        const { what, programs, count, durationMs } = happening;
        const labels = new Set(programs.map(programLabel));
        // A repair of changes by several programs is counted once, as `other`.
        const program = labels.size === 1 ? [...labels].join() : 'other';
        this.#repairs.inc({ what, program });
        this.#repairChanges.inc({ what }, count);
        this.#repairDuration.observe({ what }, durationMs / 1_000);
        break;
      }
      case 'repair-failed':
        this.#repairFailures.inc({ what: happening.what });
        return;
      case 'foreign-change': {
        const program = programLabel(happening.program);
        const { families } = happening;
        for (const family of families) this.#foreign.inc({ program, family });
        if (families.length === 0) this.#foreign.inc({ program, family: 'none' });
        return;
      }
      case 'reports-lost':
        this.#reportsLost.inc({ of: happening.of });
        return;
      case 'record-written':
        this.#records.inc({ result: happening.ok ? 'ok' : 'error' });
        return;
    }
    this.#events.inc({ kind: happening.kind });
  }
}
