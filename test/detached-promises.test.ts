/**
 * Every promise of the sources is awaited, answered with, stored, or given an owner by `src/background.ts`: one
 * whose rejection nobody handles ends the daemon. Found by types, since a call does not show that it is one.
 */
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The owners themselves. */
const owners = 'src/background.ts';

function programOf(files: readonly string[], options: ts.CompilerOptions): ts.Program {
  return ts.createProgram(files, { ...options, noEmit: true, skipLibCheck: true });
}

/** `….catch((error) => … log.error(…) …)`: as good an owner as those of `src/background.ts`. */
function isLogged(expression: ts.Expression): boolean {
  if (!ts.isCallExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) {
    return false;
  }
  const handler = expression.arguments.at(-1);
  return (
    expression.expression.name.text === 'catch' &&
    handler !== undefined &&
    /\blog\.(?:warn|error)\(/.test(handler.getText())
  );
}

/** `FILE:LINE: what`, for each promise without an owner in these files. */
function detachedIn(program: ts.Program, isMeant: (file: string) => boolean): string[] {
  const checker = program.getTypeChecker();
  const isPromise = (type: ts.Type): boolean =>
    type.isUnion()
      ? type.types.some(isPromise)
      : (type.flags & ts.TypeFlags.Object) !== 0 && type.getProperty('catch') !== undefined;
  const answersPromise = (type: ts.Type): boolean =>
    type.getCallSignatures().some((signature) => isPromise(signature.getReturnType()));
  const found: string[] = [];

  const visit = (node: ts.Node): void => {
    const report = (what: string): void => {
      const source = node.getSourceFile();
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push(`${relative(root, source.fileName)}:${line + 1}: ${what}`);
    };
    if (ts.isExpressionStatement(node) || ts.isVoidExpression(node)) {
      const { expression } = node;
      const assigned =
        ts.isBinaryExpression(expression) &&
        expression.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
        expression.operatorToken.kind <= ts.SyntaxKind.LastAssignment;
      const owned = assigned || isLogged(expression);
      if (!owned && isPromise(checker.getTypeAtLocation(expression))) {
        report('a promise that nobody awaits');
      }
    }
    // `setTimeout(async () => …)`: whoever calls it drops the promise.
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      for (const argument of node.arguments ?? []) {
        const wanted = checker.getContextualType(argument)?.getCallSignatures() ?? [];
        const dropped =
          wanted.length > 0 &&
          wanted.every((each) => (each.getReturnType().flags & ts.TypeFlags.Void) !== 0);
        if (dropped && answersPromise(checker.getTypeAtLocation(argument))) {
          report('a function whose promise is dropped by whoever calls it');
        }
      }
    }
    ts.forEachChild(node, visit);
  };
  for (const source of program.getSourceFiles()) {
    if (isMeant(relative(root, source.fileName))) visit(source);
  }
  return found;
}

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);

t.test('no promise of the sources is without an owner', async (t) => {
  const sources = fileNames.filter((name) => relative(root, name).startsWith('src/'));
  t.ok(sources.length > 100, 'the sources are found');
  const program = programOf(sources, options);
  t.strictSame(
    detachedIn(program, (file) => file.startsWith('src/') && file !== owners),
    [],
  );
});

t.test('each way to lose a promise is found', async (t) => {
  const text = `
    declare function work(): Promise<void>;
    declare function later(callback: () => void): void;
    declare const maybe: Promise<void> | undefined;
    work();
    void work();
    work().catch(() => {});
    work().then(() => {}, () => {});
    maybe?.finally(() => {});
    later(async () => {});
    later(() => void work());
    later(work);
    let kept = work();
    kept = work();
    kept ??= work();
    later(() => {});
    await work();
    declare const log: { error(text: string): void };
    work().catch(() => log.error('as it should be'));
    export const answer = () => work();`;
  const path = join(root, 'src/lines.ts');
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (name, ...rest) =>
    name === path
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true)
      : getSourceFile(name, ...rest);
  host.fileExists = (name) => name === path || fileExists(name);
  const program = ts.createProgram([path], { ...options, noEmit: true, types: [] }, host);
  const lines = detachedIn(program, (file) => file === 'src/lines.ts').map(
    (each) => each.split(':')[1],
  );
  t.strictSame(lines, ['5', '6', '7', '8', '9', '10', '11', '12']);
});
