/**
 * build/ (one module for each source, by tsc) → dist/ (what is installed): our modules and the
 * libraries in pure JavaScript in a few files, since Node.js takes most of a millisecond for each file
 * that it loads, and there are nearly 600. See docs/adr/0006-bundle.md.
 */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Of all that the bundle is made of: our modules, this file, and the versions of the packages. */
function buildId() {
  const modules = readdirSync('build', { recursive: true }).filter((name) => name.endsWith('.js'));
  const hash = createHash('sha256');
  for (const name of ['scripts/bundle.mjs', 'package.json', 'package-lock.json']) {
    hash.update(`${name}\0`).update(readFileSync(name)).update('\0');
  }
  for (const name of modules.sort()) {
    hash.update(`${name}\0`).update(readFileSync(join('build', name))).update('\0');
  }
  return hash.digest('hex').slice(0, 12);
}

/**
 * Replaces `import` of node:http by a CommonJS module. The import would read all exports, and some of them are getters
 * that load undici and node:http2, which nothing here uses: that is a third of the time of the daemon's start.
 */
const httpAlone = {
  name: 'http-alone',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'node:http', namespace: 'http-alone' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'http-alone' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}');`,
    }));
  },
};

const { metafile } = await build({
  entryPoints: ['build/main.js', 'build/proxy/main.js', 'build/probe/main.js'],
  outdir: 'dist',
  outbase: 'build',
  bundle: true,
  define: { TSBRIDGE_BUILD: JSON.stringify(buildId()) },
  // What only the daemon needs is in a file of its own, and what both programs need, in others.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.14',
  // It loads a binary that lies beside it.
  external: ['koffi'],
  plugins: [httpAlone],
  // Libraries in CommonJS ask for the modules of Node.js by this name.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  // Less to parse. Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  // Comments with licences go to files beside the bundle: with one character in its text that is not ASCII, V8 would keep
  // the whole text in memory with two bytes for each character.
  legalComments: 'external',
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
});
// Not before: a daemon may be running from there, and starts the process that holds ports.
for (const name of readdirSync('dist', { recursive: true })) {
  const path = join('dist', name);
  if (statSync(path).isFile() && !(path in metafile.outputs)) rmSync(path);
}
chmodSync('dist/main.js', 0o755);
// Last, so that a build that was interrupted is made again; see inputs.mjs.
copyFileSync('build/inputs', 'dist/inputs');
