/**
 * A scenario of the comparison: steps after each of which the host must look as with the built-in
 * driver. The words to write one with.
 */
import type { Lab } from './lab.js';
import type { EngineVersion } from './suites.js';

/** One docker command; the word DRIVER in it stands for the driver's name. */
export type Command = readonly string[];

/** Anything else that is done to both hosts. */
export interface Act {
  readonly what: string;
  readonly on: (lab: Lab) => Promise<unknown>;
}

/** A command that both engines must refuse. */
export interface Refused {
  readonly refused: Command;
}

export type Step = Command | Act | Refused;

/** Lines in which we differ on purpose. */
export interface Exception {
  /** The words in bold that docs/differences.md gives the reason under. */
  readonly listedAs: string;
  /** Of the view, with the name of their list: `6 filter/FORWARD: -A FORWARD …`. */
  readonly lines: RegExp;
  /** Where it is a difference; everywhere if absent. */
  readonly engines?: readonly EngineVersion[];
}

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly exceptions?: readonly Exception[];
  /** Rules of one chain may be in another order: the built-in driver's own is by chance. */
  readonly anyOrder?: boolean;
}

/** For messages: `docker network create …`, `(refused) docker run …`, `restart the engine`. */
export function stepName(step: Step): string {
  if ('what' in step) return step.what;
  if ('refused' in step) return `(refused) docker ${step.refused.join(' ')}`;
  return `docker ${step.join(' ')}`;
}

/** `-o com.docker.network.NAME=VALUE`. */
export const option = (name: string, value: string): string[] => [
  '-o',
  `com.docker.network.${name}=${value}`,
];

export const create = (name: string, ...args: string[]): Command => [
  ...['network', 'create', '-d', 'DRIVER'],
  ...args,
  name,
];

export const remove = (...names: string[]): Command => ['rm', '-f', ...names];
export const removeNetwork = (name: string): Command => ['network', 'rm', name];

/** `docker run -d` of a container that sleeps. */
export function start(name: string, ...args: string[]): Command {
  return ['run', '-d', '--stop-signal=KILL', '--name', name, ...args, 'busybox'];
}

/** A network with one container and a published port, one without, and their end. */
export function around(
  name: string,
  args: readonly string[],
  run: readonly string[] = [],
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    ...more,
    steps: [
      create('app', ...args),
      start('web', '--network', 'app', '-p', '8080:80', ...run),
      start('other', '--network', 'app'),
      remove('web', 'other'),
      removeNetwork('app'),
    ],
  };
}
