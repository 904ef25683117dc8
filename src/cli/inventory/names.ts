/** Names of containers and networks, as far as somebody knows them. */
import type { NamesState } from '../output/envelope.js';

export interface ContainerRef {
  readonly id: string;
  readonly name: string;
  readonly compose?: { readonly project: string; readonly service: string };
}

export interface NamesView {
  readonly state: NamesState;
  containerOf(endpoint: string): ContainerRef | undefined;
  networkName(network: string): string | undefined;
}

export const noNamesView: NamesView = {
  state: { from: 'none', asOf: null, stale: false },
  containerOf: () => undefined,
  networkName: () => undefined,
};
