/**
 * Which options of a network came with which Docker. An engine that lacks one ignores it without a
 * word (docs/docker-bridge.md 6.1); here it is an error, because the rules that it asks for are not
 * written.
 *
 * Only the chains on the host tell of the engine's version. So an option is refused only if the oldest
 * engine that writes such chains is older than the option, and our rules of that generation do not have it.
 */
import { type GenerationName, generationNames } from '../generations/generation.js';
import { type Problems, show } from '../problems.js';
import { labels } from './network-labels.js';
import { type OptionMap, optionOf, wellKnown } from './option-reader.js';

interface Since {
  readonly label: string;
  /** The values that are newer than the label; all of them if absent. */
  readonly values?: readonly string[];
  readonly version: string;
  readonly generation: GenerationName;
}

const newModes = ['nat-unprotected', 'isolated'];
/** Docker has mode `routed` from 27 on; our rules have it from generation docker28 on (docs/differences.md). */
const routed = {
  values: ['routed'],
  version: '27 (with tsbridge: with the rules of 28 and later)',
  generation: 'docker28',
} as const;

const options: readonly Since[] = [
  { label: labels.containerPrefix, version: '17.06', generation: 'docker20' },
  { label: labels.hostIpv4, version: '20.10', generation: 'docker20' },
  { label: labels.inhibitIpv4, version: '20.10', generation: 'docker20' },
  { label: labels.hostIpv6, version: '25', generation: 'docker20' },
  { label: labels.gatewayMode4, ...routed },
  { label: labels.gatewayMode6, ...routed },
  { label: labels.gatewayMode4, values: newModes, version: '28', generation: 'docker28' },
  { label: labels.gatewayMode6, values: newModes, version: '28', generation: 'docker28' },
  { label: labels.trustedHostInterfaces, version: '28.2', generation: 'docker28' },
];

const engineOf: Readonly<Record<GenerationName, string>> = {
  docker17: 'Docker 17.03',
  docker20: 'Docker 17.06 to 27',
  docker28: 'Docker 28',
  docker29: 'Docker 29',
};

/**
 * Adds a problem for every option that the generation does not have.
 *
 * @param generic the labels of `docker network create -o`
 * @param ipv4 whether the network has IPv4
 */
export function refuseNewerOptions(
  generic: OptionMap,
  ipv4: boolean,
  generation: GenerationName,
  problems: Problems,
): void {
  const older = (than: GenerationName): boolean =>
    generationNames.indexOf(generation) < generationNames.indexOf(than);
  const refuse = (what: string, version: string): void => {
    problems.add(
      `${what} is there since Docker ${version}; this host has the rules of ` +
        `${engineOf[generation]}: leave it out, or update the engine ` +
        '(--firewall-generation of the driver decides otherwise)',
    );
  };
  for (const { label, values, version, generation: first } of options) {
    const value = optionOf(generic, label);
    if (typeof value !== 'string' || value === '' || !older(first)) continue;
    if (values === undefined || values.includes(value)) refuse(`${label}=${show(value)}`, version);
  }
  if (!ipv4 && older('docker28')) refuse(`a network without IPv4 (${wellKnown.enableIpv4})`, '28');
}
