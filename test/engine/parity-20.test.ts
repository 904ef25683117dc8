/**
 * On Docker 20.10 the host looks as with the built-in driver, after each command.
 */
import { compare } from '../lab/compare.js';
import { networks, ports, withoutProxy } from '../lab/scenarios.js';

await compare({ suite: 'bookworm' }, [ports, ...networks]);
await compare({ suite: 'bookworm', dockerdArgs: ['--userland-proxy=false'] }, withoutProxy, [
  '--userland-proxy=false',
]);
await compare({ suite: 'bookworm', iptables: 'legacy' }, [ports]);
