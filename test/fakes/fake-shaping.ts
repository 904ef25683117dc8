/** Limits of the links in memory: as the kernel, it refuses what names a link that is not there. */
import type { InterfaceName } from '../../src/core/names.js';
import type {
  Bucket,
  ObservedShaping,
  ShapedLink,
  ShapingStep,
} from '../../src/core/network/shaping.js';
import type { Shaping } from '../../src/driver/host.js';
import type { FakeLinks } from './fake-links.js';
import type { Faults } from './faults.js';

interface OnLink {
  bucket?: Bucket | undefined;
  hook?: boolean;
  /** Index of the link that the filter leads to. */
  redirect?: number | undefined;
}

export class FakeShaping implements Shaping {
  /** By index: what a link has goes with it. */
  readonly #byIndex = new Map<number, OnLink>();

  constructor(
    private readonly links: FakeLinks,
    private readonly faults: Faults,
  ) {}

  async observe(
    links: readonly ShapedLink[],
  ): Promise<ReadonlyMap<InterfaceName, ObservedShaping>> {
    if (links.length > 0) this.faults.check('shaping.observe');
    return new Map(
      links.flatMap(({ host, ifb }) => {
        const end = this.links.links.get(host);
        const device = this.links.links.get(ifb);
        if (end === undefined) return [];
        const { bucket, hook = false, redirect } = this.on(end.index);
        const observed: ObservedShaping = {
          down: bucket,
          ifb: device && { up: device.up, bucket: this.on(device.index).bucket },
          hook,
          redirect: redirect === undefined ? 'none' : redirect === device?.index ? 'ifb' : 'astray',
        };
        return [[host, observed] as const];
      }),
    );
  }

  /** Step by step, so that a fault can be put between two of them. */
  async apply(steps: readonly ShapingStep[]): Promise<void> {
    for (const step of steps) {
      this.faults.check(`shaping.${step.kind}`);
      await this.#apply(step);
    }
  }

  async #apply(step: ShapingStep): Promise<void> {
    const { host, ifb } = step.link;
    switch (step.kind) {
      case 'create-ifb':
        if (!this.links.links.has(ifb)) this.links.addIfb(ifb);
        return;
      case 'remove-ifb':
        return this.links.remove(ifb);
      case 'ifb-up':
        return this.links.change(ifb, { up: true });
      case 'set-down':
        this.#named(host).bucket = step.bucket;
        return;
      case 'remove-down':
        this.#named(host).bucket = undefined;
        return;
      case 'set-up':
        this.#named(ifb).bucket = step.bucket;
        return;
      case 'add-hook':
        this.#named(host).hook = true;
        return;
      case 'add-redirect': {
        const on = this.#named(host);
        if (on.hook !== true) throw new Error(`${host}: Invalid argument (EINVAL)`);
        on.redirect = this.links.links.get(ifb)?.index;
        return;
      }
      case 'remove-redirect':
        this.#named(host).redirect = undefined;
    }
  }

  on(index: number): OnLink {
    return this.#byIndex.get(index) ?? {};
  }

  /** Of the link with this name, to be changed. */
  #named(name: string): OnLink {
    const index = this.links.links.get(name)?.index;
    if (index === undefined) throw new Error(`${name}: No such device (ENODEV)`);
    const on = this.#byIndex.get(index) ?? {};
    this.#byIndex.set(index, on);
    return on;
  }

  /** A line for each limit, for comparison. */
  dump(): string[] {
    return [...this.links.links.values()]
      .flatMap(({ name, index, up }) => {
        const { bucket, redirect } = this.on(index);
        const leads = [...this.links.links.values()].find((link) => link.index === redirect);
        return [
          ...(bucket === undefined ? [] : [`${name} ${bucket.rate} ${bucket.burst} ${up}`]),
          ...(redirect === undefined ? [] : [`${name} leads to ${leads?.name ?? 'nothing'}`]),
        ];
      })
      .sort();
  }
}
