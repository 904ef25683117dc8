/** `tsbridge doctor`: what is wrong on this host, with the evidence and the way out. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Examination } from '../../../core/doctor/examine.js';
import { didYouMean } from '../../../core/nearest.js';
import { reportCommand } from '../../define.js';
import type { Report } from '../../output/envelope.js';
import { fit, joined, nothing, plain, type TerminalText } from '../../output/fit.js';
import { columns } from '../../output/lines.js';
import type { Paint } from '../../output/style.js';
import type { DoctorItem } from '../../schemas/doctor.js';
import { flag, several } from '../../table/entry.js';
import type { Kind } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';

const code: Kind<string> = {
  accepts: 'a code of docs/doctor.md, such as ip-forward-off',
  placeholder: 'CODE',
  parse: (given) => (/^[a-z][a-z0-9-]{0,63}$/.test(given) ? given : undefined),
};

/** Milliseconds until the host is read a second time, if a finding may be repaired by then: a repair takes less. */
const settlingMs = 1_500;

export const doctorCommand = reportCommand({
  name: 'doctor',
  summary: 'what is wrong on this host, why, and what to do',
  about: [
    'Reads settings, interfaces, routes, rules of both variants of iptables, tables of the kernel, sockets, the disk, the ' +
      'daemon and the engine, follows packets in thought, and checks all of it. Nothing is changed, and nothing is sent. It ' +
      'works without the daemon and without the engine: what they alone know is named as not checked.',
    'What follows from something else is left out, unless --all is given. What comes and goes, such as a rule that the ' +
      'daemon is about to bring back, counts only if it is there at a second look. docs/doctor.md has a section for each code.',
  ],
  words: { check: several(code, 'only these checks') },
  flags: {
    skip: several(code, 'not this check; may be given again'),
    all: flag('also what follows from something that is shown'),
    quiet: flag('print nothing: the exit status says it'),
  },
  names: true,
  watch: true,
  examples: [
    { line: 'tsbridge doctor', does: 'looks at everything' },
    { line: 'tsbridge doctor ip-forward-off', does: 'one check, for a script' },
    { line: 'tsbridge doctor --skip ufw-bypassed', does: 'all but one that is known' },
  ],
  exits: {
    ok: 'nothing is wrong, or only notices',
    failed: 'could not be done',
    usage: 'wrong command line',
    differs: 'there is an error or a warning',
    unclear: 'nothing was found, and some checks could not be done',
  },
  schema: 'doctor',
  async ask(call) {
    const { words, flags } = call;
    const [{ checks }, { confirmed, examine }, { readHost }, { namesFor }] = await Promise.all([
      import('../../../core/doctor/checks.js'),
      import('../../../core/doctor/examine.js'),
      import('../../doctor/read.js'),
      import('../../inventory/find.js'),
    ]);
    const codes = checks.map((each) => each.code);
    for (const given of [...words.check, ...flags.skip]) {
      if (!codes.includes(given)) {
        throw new UsageError(`there is no check "${given}"${didYouMean(given, codes)}`);
      }
    }
    const chosen = checks.filter(
      (each) =>
        (words.check.length === 0 || words.check.includes(each.code)) &&
        !flags.skip.includes(each.code),
    );
    const names = namesFor(call);
    const look = async () => {
      const { facts, problems } = await readHost({ ...call, names });
      return { problems, examination: examine(chosen, facts) };
    };
    let { problems, examination } = await look();
    if (examination.findings.some(({ settles }) => settles)) {
      await sleep(settlingMs);
      const second = await look();
      problems = second.problems;
      examination = confirmed(examination, second.examination);
    }
    const items = examination.findings.map(itemOf);
    const { done, notDone } = examination;
    return {
      ...{ source: 'host', names: (await names).state, warnings: problems },
      items: flags.all || flags.json ? items : items.filter(isCause),
      more: { checks: { done, notDone } },
    };
  },
  show: ({ items, more }, { flags, paint }) => {
    if (flags.quiet) return nothing;
    const { done, notDone } = checksIn(more);
    const left =
      notDone.length === 0
        ? nothing
        : plain`; not done: ${notDone.map((each) => each.code).join(', ')}`;
    return joined([
      ...items.map((item) => shown(item, paint)),
      plain`${done} checks: ${counted(items)}${left}\n`,
    ]);
  },
  exit: ({ items, more }) => {
    if (items.some(({ severity }) => severity !== 'notice')) return 'differs';
    return checksIn(more).notDone.length > 0 ? 'unclear' : 'ok';
  },
});

/** The counts that `ask` has put into the report. */
function checksIn(more: Report<DoctorItem>['more']): Pick<Examination, 'done' | 'notDone'> {
  return (more as { checks: Pick<Examination, 'done' | 'notDone'> }).checks;
}

const isCause = ({ followsFrom }: DoctorItem): boolean => followsFrom === null;

function itemOf(finding: Examination['findings'][number]): DoctorItem {
  const { code: found, severity, object, evidence, means, command, hiddenBy } = finding;
  const followsFrom = hiddenBy ?? null;
  return { code: found, severity, object, evidence, means, command, followsFrom };
}

const colours = { error: 'red', warning: 'yellow', notice: 'bold' } as const;

function shown(
  { severity, code: found, object, evidence, means, command, followsFrom }: DoctorItem,
  paint: Paint,
): TerminalText {
  const why: [string, string][] = followsFrom === null ? [] : [['follows', `from ${followsFrom}`]];
  const rows: [string, string | TerminalText][] = [['found', evidence], ['means', means], ...why];
  const width = Math.max(...rows.map(([label]) => label.length));
  // The command is not wrapped, so that it can be copied.
  return joined([
    plain`${paint(colours[severity], severity)} ${paint('bold', found)}: ${object}\n`,
    columns(rows),
    plain`  ${'do'.padEnd(width)}  ${fit(command)}\n\n`,
  ]);
}

function counted(items: readonly DoctorItem[]): string {
  const counts = (['error', 'warning', 'notice'] as const).map((severity) => {
    const count = items.filter((item) => item.severity === severity).length;
    return `${count} ${severity}${count === 1 ? '' : 's'}`;
  });
  return counts.join(', ');
}
