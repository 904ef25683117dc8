/** The scripts that dpkg and rpm run on a host before and after they change it; both formats share scripts/functions.sh. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

function withFunctions(root: string, lines: readonly string[]): string[] {
  const functions = readFileSync(join(root, 'packaging/scripts/functions.sh'), 'utf8');
  return [...functions.trimEnd().split('\n'), '', ...lines];
}

/**
 * Name of a script of dpkg → its lines. The first argument says what dpkg does: each script acts on one such word, and
 * `postrm` also has systemd read the units again whatever the word is.
 */
const ofDebian: Readonly<Record<string, readonly string[]>> = {
  preinst: ['if [ "$1" = install ]; then refuse_beside_other; fi'],
  // The script does not start a new installation, which needs the settings of this host's engine (`tsbridge setup`) first.
  postinst: [
    'if [ "$1" = configure ]; then',
    '  if [ -n "$2" ]; then restart_updated; else reload_units; fi',
    'fi',
  ],
  prerm: ['if [ "$1" = remove ]; then before_removal; fi'],
  postrm: ['if [ "$1" = purge ]; then purge; fi', 'reload_units'],
};

/** @returns name of the script → its text */
export function debianScripts(root: string): Readonly<Record<string, string>> {
  const head = ['#!/bin/sh', 'set -e', `root=\${DPKG_ROOT-}`];
  return Object.fromEntries(
    Object.entries(ofDebian).map(([name, lines]) => [
      name,
      [...head, ...withFunctions(root, lines), ''].join('\n'),
    ]),
  );
}

/**
 * The scripts as sections of a spec file. rpm gives them the number of versions that will be installed afterwards: with 1
 * `%pre` is of a new installation, with 0 `%preun` is of a removal.
 */
export function rpmScripts(root: string): string[] {
  const sections: Readonly<Record<string, readonly string[]>> = {
    '%pre': ['if [ "$1" = 1 ]; then refuse_beside_other; fi'],
    '%preun': ['if [ "$1" = 0 ]; then before_removal; fi'],
    '%post': ['reload_units'],
    // rpm runs this one after it has removed the files of the older version.
    '%posttrans': ['restart_updated'],
    '%postun': ['reload_units'],
  };
  return Object.entries(sections).flatMap(([section, lines]) => [
    section,
    'root=',
    // rpm takes a single percent sign for the beginning of a macro.
    ...withFunctions(root, lines).map((line) => line.replaceAll('%', '%%')),
  ]);
}
