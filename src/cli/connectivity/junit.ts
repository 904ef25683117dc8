/** The result of a connectivity test as JUnit's XML, which most systems for continuous integration read. */
import type { ConnectionItem } from '../schemas/connectivity.js';
import { expectedText, foundText } from './words.js';

/** Characters that XML 1.0 has no way to write; names of interfaces and rules may hold them. */
const unwritable = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // A parser of XML would turn a line break in an attribute into a space.
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
};

export function escapeXml(text: string): string {
  return text
    .replace(unwritable, '\ufffd')
    .replace(/[&<>"'\n\r\t]/g, (found) => entities[found] ?? found);
}

export function junit(items: readonly ConnectionItem[], seconds: number): string {
  const failed = items.filter(({ result }) => result === 'failed').length;
  const counts = `tests="${items.length}" failures="${failed}" errors="0" time="${seconds}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="tsbridge connectivity-test" ${counts}>`,
    ...items.flatMap(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase(item: ConnectionItem): string[] {
  const { path, name, found, result, explanation } = item;
  const time = ((found.ms ?? 0) / 1_000).toFixed(3);
  const head = `    <testcase name="${escapeXml(path)}" classname="tsbridge.${escapeXml(name)}" time="${time}"`;
  if (result === 'passed') return [`${head}/>`];
  const message = `expected ${expectedText(item)}; found ${foundText(item)}`;
  const detail = explanation === null ? [] : [explanation.command, ...explanation.text];
  return [
    `${head}>`,
    `      <failure message="${escapeXml(message)}">${detail.map(escapeXml).join('\n')}</failure>`,
    '    </testcase>',
  ];
}
