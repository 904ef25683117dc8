/** Limits of the links in memory: as the kernel, it refuses what names a link that is not there. */
import type { InterfaceName } from '../../src/core/names.js';
import { type FairQueue, keptUs, type WaitingIn } from '../../src/core/network/queues.js';
import type {
  Bucket,
  ObservedBucket,
  ObservedShaping,
  ShapedLink,
  ShapingStep,
} from '../../src/core/network/shaping.js';
import type { Shaping } from '../../src/driver/host.js';
import type { FakeLinks } from './fake-links.js';
import type { Faults } from './faults.js';

interface OnLink {
  bucket?: Bucket | undefined;
  queue?: FairQueue | undefined;
  hook?: boolean;
  /** Index of the link that the filter leads to. */
  redirect?: number | undefined;
}

export class FakeShaping implements Shaping {
  waitingIn: WaitingIn = 'unknown';
  /** Whether the kernel has fq_codel. */
  hasFairQueues = false;
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
        const { hook = false, redirect } = this.on(end.index);
        const observed: ObservedShaping = {
          down: this.#bucket(end.index),
          ifb: device && { up: device.up, bucket: this.#bucket(device.index) },
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
        this.#setBucket(this.#named(host), step.bucket);
        return;
      case 'remove-down':
        this.#named(host).bucket = undefined;
        return;
      case 'set-up':
        this.#setBucket(this.#named(ifb), step.bucket);
        return;
      case 'set-down-queue':
        return this.#setQueue(this.#named(host), step.queue);
      case 'set-up-queue':
        return this.#setQueue(this.#named(ifb), step.queue);
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

  /** A bucket that is there changes in place; another one has nothing in it. */
  #setBucket(on: OnLink, bucket: Bucket): void {
    if (on.bucket === undefined) on.queue = undefined;
    on.bucket = bucket;
  }

  #setQueue(on: OnLink, queue: FairQueue): void {
    if (on.bucket === undefined) throw new Error('No such file or directory (ENOENT)');
    this.waitingIn = this.hasFairQueues ? 'fq_codel' : 'fifo';
    if (this.hasFairQueues) on.queue = queue;
  }

  /** As an administrator does by tc. */
  deleteQueues(): void {
    for (const on of this.#byIndex.values()) on.queue = undefined;
  }

  /** As the kernel tells it. */
  #bucket(index: number): ObservedBucket | undefined {
    const { bucket, queue } = this.on(index);
    if (bucket === undefined || queue === undefined) return bucket && { ...bucket, queue };
    const { targetUs, intervalUs } = queue;
    return {
      ...bucket,
      queue: { ...queue, targetUs: keptUs(targetUs), intervalUs: keptUs(intervalUs) },
    };
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
        const { bucket, queue, redirect } = this.on(index);
        const fair = queue === undefined ? '' : ` fair within ${queue.targetUs} us`;
        const leads = [...this.links.links.values()].find((link) => link.index === redirect);
        return [
          ...(bucket === undefined ? [] : [`${name} ${bucket.rate} ${bucket.burst} ${up}${fair}`]),
          ...(redirect === undefined ? [] : [`${name} leads to ${leads?.name ?? 'nothing'}`]),
        ];
      })
      .sort();
  }
}
