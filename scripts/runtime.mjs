/**
 * Links node_modules/.bin/node to the Node.js for this machine, if npm has not: npm runs this script as `prepare`.
 *
 * npm up to 11.0, Debian's among them, deletes the links of optional packages that are for another machine after it
 * has made those of this one. The runtimes of both architectures have a link of this name, so it is deleted.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const link = 'node_modules/.bin/node';
const runtime = `node-linux-${process.arch}/bin/node`;
// If there is no runtime for this machine, the scripts that need one say so.
if (!existsSync(link) && existsSync(`node_modules/${runtime}`)) {
  mkdirSync('node_modules/.bin', { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(`../${runtime}`, link);
}
