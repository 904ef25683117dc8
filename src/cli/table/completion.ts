/** Scripts for the shells: what they offer after `tsbridge` and the tab key, from the table. */
import type { Command, Parameter } from './entry.js';
import type { Completion } from './kinds.js';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Kinds whose words are asked for when they are wanted: `tsbridge __complete KIND PREFIX`. */
const asked: readonly (Completion | undefined)[] = ['container', 'network', 'thing'];

export function completionScript(shell: Shell, all: readonly Command[]): string {
  const commands = all.filter(({ hidden }) => hidden !== true);
  const lines = { bash, zsh, fish }[shell](commands);
  return `${lines.join('\n')}\n`;
}

/** In single quotes, as every one of the shells reads it. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const names = (commands: readonly Command[]) => commands.map(({ name }) => name).join(' ');
const flagsOf = ({ flags }: Command) => [...Object.entries(flags)];
const firstWord = ({ words }: Command) => Object.entries(words)[0];

/** What a value is completed with, as bash's `words` and `kind` below. */
function bashValue({ kind }: Parameter<unknown>, commands: readonly Command[]): string {
  if (kind?.completes === 'command') return `words=${quoted(names(commands))}`;
  if (kind?.completes !== undefined) return `kind=${kind.completes}`;
  return `words=${quoted((kind?.words ?? []).join(' '))}`;
}

function bash(commands: readonly Command[]): string[] {
  const ofCommand = (command: Command): string[] => {
    const { name } = command;
    const word = firstWord(command);
    const flags = flagsOf(command).map(([flag]) => `--${flag}`);
    return [
      `    ${name})`,
      '      case $before in',
      ...flagsOf(command)
        .filter(([, { kind }]) => kind !== undefined)
        .map(([flag, parameter]) => `      --${flag}) ${bashValue(parameter, commands)} ;;`),
      `      *) if [[ $word == -* ]]; then words=${quoted([...flags, '--help'].join(' '))}`,
      ...(word === undefined ? [] : [`        else ${bashValue(word[1], commands)}`]),
      '        fi ;;',
      '      esac ;;',
    ];
  };
  return [
    '# bash completion for tsbridge',
    '_tsbridge() {',
    `  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words= kind=`,
    // bash makes three words of --flag=value.
    `  if [[ $word == = ]]; then word= before=\${COMP_WORDS[COMP_CWORD-1]}`,
    `  elif [[ $before == = ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}; fi`,
    `  if [ "$COMP_CWORD" -eq 1 ]; then words=${quoted(`${names(commands)} --help --version`)}`,
    '  else',
    `    case \${COMP_WORDS[1]} in`,
    ...commands.flatMap(ofCommand),
    '    esac',
    '  fi',
    '  case $kind in',
    '  file) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;',
    '  folder) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;',
    '  \'\') mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;',
    // Each line is one name, which is offered as it is: nothing in it is expanded.
    '  *) mapfile -t COMPREPLY < <(tsbridge __complete "$kind" "$word" 2>/dev/null) ;;',
    '  esac',
    '}',
    'complete -F _tsbridge tsbridge',
  ];
}

/** Within a specification of `_arguments`, which reads these characters itself. */
const zshText = (text: string) => text.replace(/[[\]:\\]/g, '\\$&');

function zshAction({ kind }: Parameter<unknown>, commands: readonly Command[]): string {
  if (kind?.completes === undefined) {
    return kind?.words === undefined ? ' ' : `(${kind.words.join(' ')})`;
  }
  switch (kind.completes) {
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'command':
      return `(${names(commands)})`;
    default:
      return `_tsbridge_names ${kind.completes}`;
  }
}

function zsh(commands: readonly Command[]): string[] {
  const flag = ([name, parameter]: [string, Parameter<unknown>]): string => {
    const { kind, help, many } = parameter;
    const value =
      kind === undefined
        ? ''
        : `${kind.alone === undefined ? ':' : '::'}${zshText(kind.placeholder)}:${zshAction(parameter, commands)}`;
    const equals = kind === undefined ? '' : kind.alone === undefined ? '=' : '=-';
    return quoted(`${many ? '*' : ''}--${name}${equals}[${zshText(help)}]${value}`);
  };
  const word = ([name, parameter]: [string, Parameter<unknown>]): string =>
    quoted(`${parameter.many ? '*' : ''}:${name.toUpperCase()}:${zshAction(parameter, commands)}`);
  return [
    '#compdef tsbridge',
    'compdef _tsbridge tsbridge',
    '_tsbridge_names() {',
    '  local -a names',
    `  names=(\${(f)"$(tsbridge __complete "$1" "$PREFIX" 2>/dev/null)"})`,
    '  compadd -a names',
    '}',
    '_tsbridge() {',
    '  local -a commands',
    `  commands=(${commands.map(({ name, summary }) => quoted(`${name}:${zshText(summary)}`)).join(' ')})`,
    '  if (( CURRENT == 2 )); then _describe command commands; return; fi',
    '  local command=$words[2]',
    '  shift words; (( CURRENT-- ))',
    '  case $command in',
    ...commands.map((command) => {
      const specs = [...flagsOf(command).map(flag), ...Object.entries(command.words).map(word)];
      return `  ${command.name}) _arguments ${[...specs, quoted('--help[what it does, and its flags]')].join(' ')} ;;`;
    }),
    '  esac',
    '}',
    // Loaded by name from a folder of completions, the file is the function's body.
    'if [ "$funcstack[1]" = _tsbridge ]; then _tsbridge "$@"; fi',
  ];
}

function fishValue({ kind }: Parameter<unknown>, commands: readonly Command[]): string {
  if (kind === undefined) return '';
  if (kind.completes === 'file' || kind.completes === 'folder') return ' -r -F';
  if (kind.completes === 'command') return ` -x -a ${quoted(names(commands))}`;
  if (asked.includes(kind.completes)) {
    return ` -x -a '(tsbridge __complete ${kind.completes} (commandline -ct) 2>/dev/null)'`;
  }
  return kind.words === undefined ? ' -x' : ` -x -a ${quoted(kind.words.join(' '))}`;
}

function fish(commands: readonly Command[]): string[] {
  return [
    'complete -c tsbridge -f',
    ...commands.flatMap((command) => {
      const seen = quoted(`__fish_seen_subcommand_from ${command.name}`);
      const word = firstWord(command);
      return [
        `complete -c tsbridge -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
        ...flagsOf(command).map(
          ([name, parameter]) =>
            `complete -c tsbridge -n ${seen} -l ${name}${parameter.kind?.alone === undefined ? fishValue(parameter, commands) : ''} -d ${quoted(parameter.help)}`,
        ),
        ...(word === undefined
          ? []
          : [`complete -c tsbridge -n ${seen}${fishValue(word[1], commands).replace(' -x', '')}`]),
      ];
    }),
  ];
}
