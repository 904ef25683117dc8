/** What should be on the engine after random operations; and what an operation means at a moment. */

/** No network for published ports. */
export const isInternal = (network: number): boolean => network % 5 === 4;

/** How many of each there can be. */
export interface Sizes {
  readonly containers: number;
  readonly networks: number;
}

export interface ContainerModel {
  state: 'absent' | 'running' | 'stopped';
  /** The first is the one that it was made on. */
  readonly networks: Set<number>;
  /** On which of its networks an operator has published a port of it. */
  published?: number | undefined;
  /**
   * It was running when the engine started (live-restore). Engines do not always know how many
   * interfaces such a container has: "error renaming interface … to eth0: file exists".
   */
  inherited?: boolean;
}

/** A wish, by numbers: what it comes to depends on how things are. */
export interface Wish {
  readonly container: number;
  readonly kind: 'start-or-stop' | 'restart' | 'connect' | 'disconnect' | 'remove' | 'publish';
  readonly network: number;
}

/** What is really asked of the engine. */
export type Operation =
  | { readonly kind: 'create-network'; readonly network: number }
  | { readonly kind: 'remove-network'; readonly network: number }
  | { readonly kind: 'run'; readonly container: number; readonly network: number }
  | {
      readonly kind: 'start' | 'stop' | 'restart' | 'remove' | 'unpublish';
      readonly container: number;
    }
  | {
      readonly kind: 'connect' | 'disconnect' | 'publish';
      readonly container: number;
      readonly network: number;
    };

export type ContainerOperation = Extract<Operation, { container: number }>;

export class Model {
  readonly networks = new Set<number>();
  readonly containers: readonly ContainerModel[];

  constructor(readonly sizes: Sizes) {
    this.containers = Array.from({ length: sizes.containers }, () => ({
      state: 'absent',
      networks: new Set<number>(),
    }));
  }

  /**
   * Operations that can be done at the same time, in any order: at most one for each container, and
   * none on a network that comes or goes meanwhile.
   *
   * @param toggled networks that are made, or removed if nothing is on them
   */
  plan(wishes: readonly Wish[], toggled: readonly number[]): Operation[] {
    const changing = new Set<number>();
    const operations: Operation[] = [];
    for (const network of toggled) {
      const here = this.networks.has(network);
      const used = this.containers.some(({ networks }) => networks.has(network));
      if (here && used) continue;
      changing.add(network);
      operations.push(
        here ? { kind: 'remove-network', network } : { kind: 'create-network', network },
      );
    }
    const usable = [...this.networks].filter((network) => !changing.has(network));
    return [...operations, ...wishes.flatMap((wish) => this.#operation(wish, usable))];
  }

  #operation(wish: Wish, usable: readonly number[]): Operation[] {
    const { container, kind } = wish;
    const { state, networks, published } = this.#container(container);
    const others = usable.filter((network) => !networks.has(network));
    const other = others[wish.network % Math.max(1, others.length)];
    if (state === 'absent') {
      return other === undefined ? [] : [{ kind: 'run', container, network: other }];
    }
    switch (kind) {
      case 'start-or-stop':
        return [{ kind: state === 'running' ? 'stop' : 'start', container }];
      case 'publish': {
        if (published !== undefined) return [{ kind: 'unpublish', container }];
        const network = [...networks].find((each) => !isInternal(each) && usable.includes(each));
        if (state !== 'running' || network === undefined) return [];
        return [{ kind, container, network }];
      }
      case 'connect':
        return other === undefined ? [] : [{ kind, container, network: other }];
      case 'disconnect': {
        const network = [...networks].at(-1);
        // With none left it could not be connected again in every version.
        return networks.size < 2 || network === undefined ? [] : [{ kind, container, network }];
      }
      default:
        return [{ kind, container }];
    }
  }

  /** It was done. */
  apply(operation: Operation): void {
    if (operation.kind === 'create-network') this.networks.add(operation.network);
    else if (operation.kind === 'remove-network') this.networks.delete(operation.network);
    else this.#applyTo(this.#container(operation.container), operation);
  }

  #applyTo(container: ContainerModel, operation: ContainerOperation): void {
    switch (operation.kind) {
      case 'publish':
        container.published = operation.network;
        return;
      case 'unpublish':
        container.published = undefined;
        return;
      case 'run':
        container.state = 'running';
        container.networks.add(operation.network);
        break;
      case 'connect':
        container.networks.add(operation.network);
        return;
      case 'disconnect':
        container.networks.delete(operation.network);
        return;
      case 'stop':
        container.state = 'stopped';
        break;
      case 'remove':
        container.state = 'absent';
        container.published = undefined;
        container.networks.clear();
        break;
      default:
        container.state = 'running';
    }
    container.inherited = false;
  }

  /** The engine has started anew. */
  inherit(): void {
    for (const container of this.containers) container.inherited = container.state === 'running';
  }

  /** What may fail though nothing is wrong at the moment. */
  mayFail(operation: Operation): boolean {
    return 'container' in operation && this.#container(operation.container).inherited === true;
  }

  /** Everything that there is goes, containers first. */
  planEnd(): { containers: Operation[]; networks: Operation[] } {
    return {
      containers: this.containers.flatMap(({ state }, container) =>
        state === 'absent' ? [] : [{ kind: 'remove', container } as const],
      ),
      networks: [...this.networks].map((network) => ({ kind: 'remove-network', network })),
    };
  }

  #container(index: number): ContainerModel {
    const container = this.containers[index];
    if (container === undefined) throw new Error(`no container ${index}`);
    return container;
  }
}
