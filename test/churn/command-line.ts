/** The flags of `npm run churn` and `npm run soak`: how long, on which engine, by which backend of rules. */
import { parseArgs } from 'node:util';
import type { LabOptions, Suite } from '../lab/lab.js';
import { after, type ChurnOptions } from './churn.js';
import { hostFaults } from './faults.js';

export const flags =
  '[--minutes N] [--seed S] [--suite bookworm|trixie|forky] [--containers N] [--networks N] ' +
  '[--backend auto|restore] [--iptables nft|legacy] [--map]';

export interface Asked {
  readonly lab: LabOptions;
  readonly tsbridgeArgs: readonly string[];
  readonly options: Pick<ChurnOptions, 'containers' | 'networks' | 'seed' | 'isOver' | 'portRules'>;
  /** Those that do something to the rules of the chosen iptables. */
  readonly faults: typeof hostFaults;
  /** `seed 1, restore, legacy`: what has to be typed to have the same again. */
  readonly title: string;
}

/** @throws with the flags, if they make no sense */
export function readCommandLine(defaults: { minutes: string; containers: string }): Asked {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: defaults.minutes },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      suite: { type: 'string', default: 'bookworm' },
      containers: { type: 'string', default: defaults.containers },
      networks: { type: 'string', default: '8' },
      backend: { type: 'string', default: 'auto' },
      iptables: { type: 'string', default: 'nft' },
      map: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  const { backend, iptables, map } = values;
  const isLegacy = iptables === 'legacy';
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error(flags);
  if (!['auto', 'restore'].includes(backend) || !['nft', 'legacy'].includes(iptables)) {
    throw new Error(flags);
  }
  if (isLegacy && map) throw new Error('--map: a host with iptables-legacy refuses such networks');
  return {
    lab: { suite: values.suite as Suite, iptables: isLegacy ? 'legacy' : 'nft' },
    tsbridgeArgs: [`--rule-backend=${backend}`],
    options: {
      ...{ seed, containers: Number(values.containers), networks: Number(values.networks) },
      isOver: after(minutes),
      portRules: isLegacy ? 'docker' : map ? 'map' : 'both',
    },
    faults: hostFaults.filter(({ ofNft }) => !(isLegacy && ofNft)),
    title: [`seed ${seed}`, backend, iptables, ...(map ? ['map'] : [])].join(', '),
  };
}
