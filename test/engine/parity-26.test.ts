/**
 * On Docker 26.1 the host looks as with the built-in driver, after each command.
 */
import { compare } from '../lab/compare.js';
import { networks, ports, withoutProxy } from '../lab/scenarios.js';

await compare({ suite: 'trixie' }, [ports, ...networks]);
await compare({ suite: 'trixie', dockerdArgs: ['--userland-proxy=false'] }, withoutProxy, [
  '--userland-proxy=false',
]);
