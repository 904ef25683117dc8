/** What engines do to the rules of a host when they start. */
import type { FakeHost } from './fake-host.js';

/** What an engine of the generation makes when it starts. */
const starts: Readonly<Record<'docker20' | 'docker28', string>> = {
  docker20: '*filter\n-I FORWARD 1 -j DOCKER-ISOLATION-STAGE-1\nCOMMIT\n',
  docker28:
    '*filter\n-I DOCKER-FORWARD 1 -j DOCKER-ISOLATION-STAGE-1\n' +
    '-I FORWARD 1 -j DOCKER-FORWARD\nCOMMIT\n',
};

export async function startEngine(host: FakeHost, generation: keyof typeof starts): Promise<void> {
  const chains = ['STAGE-1', 'STAGE-2'].map((stage) => `DOCKER-ISOLATION-${stage}`);
  if (generation === 'docker28') chains.push('DOCKER-FORWARD');
  const missing = chains.filter((chain) => !(`filter ${chain}` in host.firewall.dump()));
  const made = missing.map((chain) => `-N ${chain}\n`).join('');
  // 28 takes away what those before it have in FORWARD (docs/docker-bridge.md 1.4).
  const old = '-j DOCKER-ISOLATION-STAGE-1';
  const legacy =
    generation === 'docker28' && host.firewall.rules('filter', 'FORWARD').includes(old);
  const gone = legacy ? `-D FORWARD ${old}\n` : '';
  await host.firewall.restore(4, starts[generation].replace('\n', `\n${made}${gone}`));
}
