/** Makes entries of the table into commands: reading the command line, help for mistakes, exit codes. */
import { messageOf } from '../core/errors.js';
import { readVersion } from '../version.js';
import { beginCall, type Call, type CallFlags } from './call.js';
import { envelope, type Report } from './output/envelope.js';
import { fitJson, fitLines, plain, type TerminalText } from './output/fit.js';
import { columnNamed, filtered, sorted } from './output/rows.js';
import { type Column, table } from './output/table.js';
import { watching } from './output/watch.js';
import { keysOfItems, type SchemaName } from './schemas/all.js';
import type { Command, CommandLine, Entry, Parameters, ValuesOf } from './table/entry.js';
import { daemonFlags, namesFlags, outputFlags, tableFlags, watchFlags } from './table/flags.js';
import { readCommandLine, UsageError } from './table/parse.js';
import { type ExitName, exitCodes, type Terminal } from './terminal.js';

/** A command that prints what it likes: `run` answers with how it ended. */
export interface FreeCommand<Words extends Parameters, Flags extends Parameters>
  extends Entry<Words, Flags> {
  run(line: CommandLine<Words, Flags>, terminal: Terminal): Promise<ExitName | number>;
}

export function command<Words extends Parameters, Flags extends Parameters>(
  entry: FreeCommand<Words, Flags>,
): Command {
  return {
    ...entry,
    run: (args, terminal) =>
      guarded(entry.name, terminal, () => entry.run(readCommandLine(entry, args), terminal)),
  };
}

/** A command that finds something out and reports it: as a table or in words, and as JSON. */
export interface ReportCommand<Words extends Parameters, Flags extends Parameters, Item>
  extends Omit<Entry<Words, Flags>, 'schema' | 'flags'> {
  readonly schema: SchemaName;
  /** Its own. {@link outputFlags} and {@link daemonFlags} are added, and those of `names`, `watch` and `show`. */
  readonly flags: Flags;
  /** true: the items have names of containers and networks. Adds `--no-names`. */
  readonly names?: boolean;
  /** true: adds `--watch`. */
  readonly watch?: boolean;
  /** How long the daemon may take, unless `--timeout` says otherwise; 10 s. */
  readonly timeoutMs?: number;
  ask(call: Call<Words, Flags & CallFlags>): Promise<Report<Item>>;
  /** What people see: a table (adds its flags), or text. */
  readonly show:
    | readonly Column<Item>[]
    | ((report: Report<Item>, call: Call<Words, Flags & CallFlags>) => TerminalText);
  /** With a table: items of which one row tells, unless `--wide` asks for every one. */
  readonly fold?: (items: readonly Item[]) => readonly Item[];
  exit(report: Report<Item>, call: Call<Words, Flags & CallFlags>): ExitName;
}

const defaultTimeoutMs = 10_000;

export function reportCommand<Words extends Parameters, Flags extends Parameters, Item>(
  entry: ReportCommand<Words, Flags, Item>,
): Command {
  const columns = typeof entry.show === 'function' ? undefined : entry.show;
  const flags = {
    ...entry.flags,
    ...(columns === undefined ? {} : tableFlags),
    ...(entry.watch === true ? watchFlags : {}),
    ...(entry.names === true ? namesFlags : {}),
    ...outputFlags,
    ...daemonFlags,
  };
  const {
    exit: _exit,
    fold: _fold,
    show: _show,
    ask: _ask,
    timeoutMs: _ms,
    watch: _watch,
    names: _names,
    ...rest
  } = entry;
  const full = {
    ...rest,
    flags,
    ...(columns === undefined
      ? {}
      : {
          columns: columns.map(({ key, about, wide }): [string, string] => [
            key,
            wide === true ? `${about} (with --wide)` : about,
          ]),
        }),
  };
  return {
    ...full,
    run: (args, terminal) =>
      guarded(entry.name, terminal, async () => {
        const line = readCommandLine(full, args) as CommandLine<Words, Flags & CallFlags>;
        const call = await beginCall(line, terminal, entry.timeoutMs ?? defaultTimeoutMs);
        return reportOn(entry, call, terminal);
      }),
  };
}

type AllFlags = CallFlags & Partial<typeof tableFlags & typeof watchFlags>;

async function reportOn<Words extends Parameters, Flags extends Parameters, Item>(
  entry: ReportCommand<Words, Flags, Item>,
  call: Call<Words, Flags & CallFlags>,
  terminal: Terminal,
): Promise<ExitName> {
  // Those that the command does not have are undefined in it.
  const flags = call.flags as Partial<ValuesOf<Required<AllFlags>>>;
  const columns = typeof entry.show === 'function' ? [] : entry.show;
  const fold = entry.fold ?? ((items) => items);
  const version = await readVersion();
  const wished = flags.columns?.split(',');
  for (const key of wished ?? []) columnNamed(columns, key, '--columns');
  const report = async (): Promise<Report<Item>> => {
    const whole = await entry.ask(call);
    const kept = filtered(whole.items, flags.filter ?? [], keysOfItems(entry.schema));
    return { ...whole, items: sorted(kept, flags.sort, columns) };
  };
  const show = (found: Report<Item>): TerminalText =>
    typeof entry.show === 'function'
      ? entry.show(found, call)
      : table(flags.wide === true ? found.items : fold(found.items), entry.show, {
          width: terminal.width,
          wide: flags.wide === true,
          columns: wished,
          header: flags['no-header'] !== true,
        });
  const json = (found: Report<Item>, indent?: number): TerminalText =>
    plain`${fitJson(envelope(entry.schema, found, version, new Date()), indent)}\n`;
  if (flags.watch !== undefined) {
    await watching({
      everyMs: flags.watch,
      json: flags.json === true,
      terminal,
      report,
      show,
      jsonLine: json,
    });
    return 'ok';
  }
  const found = await report();
  if (flags.json === true) terminal.out(json(found, 2));
  else {
    terminal.out(show(found));
    for (const warning of found.warnings) terminal.err(plain`tsbridge ${entry.name}: ${warning}\n`);
  }
  return entry.exit(found, call);
}

async function guarded(
  name: string,
  terminal: Terminal,
  run: () => Promise<ExitName | number>,
): Promise<number> {
  try {
    const end = await run();
    return typeof end === 'number' ? end : exitCodes[end];
  } catch (error) {
    terminal.err(plain`tsbridge ${name}: ${fitLines(messageOf(error))}\n`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
}
