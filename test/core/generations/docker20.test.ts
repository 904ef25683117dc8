import t from 'tap';
import { docker20 } from '../../../src/core/generations/docker20.js';
import { goldenTour } from '../../golden/golden-tour.js';

/**
 * One module serves 17.06 to 27 and both families. For IPv6 it has more than the engines, which
 * changes no verdict: the jumps are there before the first network with IPv6 is, and DOCKER-USER
 * has its IPv6 twin already before 25.0.
 */
function adapt(section: string, found: Record<string, readonly string[]>): void {
  if (!section.includes('IPv6:')) return;
  const forward = found['filter FORWARD'] ?? [];
  let extra: readonly string[] = [];
  if (section.startsWith('20.10')) {
    delete found['filter DOCKER-USER'];
    extra = ['-j DOCKER-USER'];
  }
  if (section.includes('startup')) {
    delete found['nat PREROUTING'];
    delete found['nat OUTPUT'];
    extra = [...extra, '-j DOCKER-ISOLATION-STAGE-1'];
  }
  found['filter FORWARD'] = forward.filter((rule) => !extra.includes(rule));
  if (found['filter FORWARD'].length === 0) delete found['filter FORWARD'];
}

for (const title of ['20.10.24', '26.1.5']) {
  goldenTour(t, { title, generation: docker20, adapt });
}
