/** The sockets of published ports in memory. */
import type { EndpointId } from '../../src/core/names.js';
import { bindingKey } from '../../src/core/ports/port.js';
import type { HostPorts, Listener, ListenFailure } from '../../src/driver/host.js';
import type { Faults } from './faults.js';

/** Holds sockets; those in `foreign` belong to another program. */
export class FakeHostPorts implements HostPorts {
  readonly held = new Map<string, EndpointId>();
  readonly foreign = new Map<string, string>();
  prepared = 0;
  /** Of the last {@link sync}: what was opened or closed since is not in it. */
  wanted: ReadonlyMap<EndpointId, readonly Listener[]> = new Map();
  constructor(private readonly faults: Faults) {}
  prepare(): void {
    this.prepared += 1;
  }
  async open(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]> {
    this.faults.check('hostPorts.open');
    return listeners.flatMap((listener) => {
      const key = bindingKey(listener.binding);
      const code = this.foreign.get(key) ?? (this.held.has(key) ? 'EADDRINUSE' : undefined);
      if (code !== undefined) return [{ listener, code, syscall: 'bind' }];
      this.held.set(key, owner);
      return [];
    });
  }
  async hold(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]> {
    this.faults.check('hostPorts.hold');
    this.wanted = new Map([...this.wanted, [owner, listeners]]);
    const missing = listeners.filter(({ binding }) => this.held.get(bindingKey(binding)) !== owner);
    return this.open(owner, missing);
  }
  async close(owner: EndpointId, listeners?: readonly Listener[]): Promise<void> {
    this.faults.check('hostPorts.close');
    const keys = listeners?.map(({ binding }) => bindingKey(binding));
    for (const [key, holder] of this.held) {
      if (holder === owner && (keys === undefined || keys.includes(key))) this.held.delete(key);
    }
  }
  async pauseUdp(): Promise<void> {
    this.faults.check('hostPorts.pauseUdp');
  }
  async resumeUdp(): Promise<void> {
    this.faults.check('hostPorts.resumeUdp');
  }
  async sync(
    wanted: ReadonlyMap<EndpointId, readonly Listener[]>,
    kept: ReadonlySet<EndpointId> = new Set(),
  ): Promise<ListenFailure[]> {
    this.wanted = wanted;
    for (const [key, owner] of this.held) if (!kept.has(owner)) this.held.delete(key);
    const failures: ListenFailure[] = [];
    for (const [owner, listeners] of wanted) failures.push(...(await this.open(owner, listeners)));
    return failures;
  }
  async differences(): Promise<string[]> {
    this.faults.check('hostPorts.differences');
    return [...this.wanted].flatMap(([, listeners]) =>
      listeners
        .map(({ binding }) => bindingKey(binding))
        .filter((key) => !this.held.has(key))
        .map((key) => `open socket ${key}`),
    );
  }
  async repair(): Promise<string[]> {
    const before = await this.differences();
    await this.sync(this.wanted);
    const after = await this.differences();
    return before.filter((line) => !after.includes(line));
  }
}
