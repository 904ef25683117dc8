/** What the shells offer after `tsbridge` and the tab key, from the tables of the command line. */
import { commands } from '../src/cli/dispatch.js';

/** Flags as the help of a command names them. */
function flagsOf(help: string): string[] {
  return [...new Set([...help.matchAll(/^ {2}(--[a-z0-9-]+)/gm)].map((match) => match[1] ?? ''))];
}

/** Path below the root of the host → script. */
export function completions(): Readonly<Record<string, string>> {
  const table = commands.map(({ name, summary, help }) => ({
    name,
    summary: summary.replaceAll("'", "'\\''"),
    flags: [...flagsOf(help()), '--help'],
  }));
  const names = [...table.map(({ name }) => name), 'help'].join(' ');
  const bash = [
    '# bash completion for tsbridge',
    '_tsbridge() {',
    // The shells expand what stands between the quotes; every word comes from our own tables.
    `  local word=\${COMP_WORDS[COMP_CWORD]} words='${names} --help --version'`,
    '  if [ "$COMP_CWORD" -gt 1 ]; then',
    `    case \${COMP_WORDS[1]} in`,
    ...table.map(({ name, flags }) => `    ${name}) words='${flags.join(' ')}' ;;`),
    `    help) words='${names}' ;;`,
    "    *) words='' ;;",
    '    esac',
    '  fi',
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")',
    '}',
    'complete -F _tsbridge tsbridge',
  ];
  const zsh = [
    '#compdef tsbridge',
    'if (( CURRENT == 2 )); then',
    `  _values command ${table.map(({ name, summary }) => `'${name}[${summary}]'`).join(' ')} 'help[explain a command]'`,
    'else',
    `  case $words[2] in`,
    ...table.map(
      ({ name, flags }) =>
        `  ${name}) _values -w flag ${flags.map((flag) => `'${flag}'`).join(' ')} ;;`,
    ),
    `  help) _values command ${table.map(({ name }) => `'${name}'`).join(' ')} ;;`,
    '  esac',
    'fi',
  ];
  const fish = table.flatMap(({ name, summary, flags }) => [
    `complete -c tsbridge -f -n __fish_use_subcommand -a ${name} -d '${summary}'`,
    ...flags.map(
      (flag) =>
        `complete -c tsbridge -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice('--'.length)}`,
    ),
  ]);
  const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;
  return {
    'usr/share/bash-completion/completions/tsbridge': text(bash),
    'usr/share/zsh/vendor-completions/_tsbridge': text(zsh),
    'usr/share/fish/vendor_completions.d/tsbridge.fish': text(fish),
  };
}
