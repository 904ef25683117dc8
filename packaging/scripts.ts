/** What package tools run on the host before and after they change it. The two formats share packaging/scripts/functions.sh. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

function withFunctions(root: string, lines: readonly string[]): string[] {
  const functions = readFileSync(join(root, 'packaging/scripts/functions.sh'), 'utf8');
  return [...functions.trimEnd().split('\n'), '', ...lines];
}

/** A script of dpkg → what it does, by the word that dpkg gives it first; with other words it does nothing. */
const ofDebian: Readonly<Record<string, readonly string[]>> = {
  preinst: ['if [ "$1" = install ]; then refuse_beside_other; fi'],
  // A new installation is not started by itself, since it asks for the settings of this host's engine first.
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

/** The scripts as a spec file has them: rpm gives each the number of versions that will be there afterwards. */
export function rpmScripts(root: string): string[] {
  const sections: Readonly<Record<string, readonly string[]>> = {
    '%pre': ['if [ "$1" = 1 ]; then refuse_beside_other; fi'],
    '%preun': ['if [ "$1" = 0 ]; then before_removal; fi'],
    '%post': ['reload_units'],
    // After the files of the older version are gone.
    '%posttrans': ['restart_updated'],
    '%postun': ['reload_units'],
  };
  return Object.entries(sections).flatMap(([section, lines]) => [
    section,
    'root=',
    // A percent sign begins a macro.
    ...withFunctions(root, lines).map((line) => line.replaceAll('%', '%%')),
  ]);
}
