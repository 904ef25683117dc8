/** The result of a connectivity test as XML: whatever a rule or an interface is called, it is one document. */
import t from 'tap';
import { escapeXml, junit } from '../../../src/cli/connectivity/junit.js';
import { expectedText, foundText } from '../../../src/cli/connectivity/words.js';
import type { ConnectionItem } from '../../../src/cli/schemas/connectivity.js';

const passed: ConnectionItem = {
  ...{ name: 'first-to-second', family: 4, probe: 'tcp', from: 'first', source: '198.18.0.2' },
  to: { address: '198.18.0.3', port: 7357 },
  path: 'first → second, tcp, IPv4',
  expected: { answer: true, seen: '198.18.0.2', because: 'containers of a network see each other' },
  found: { answer: true, seen: '198.18.0.2', why: null, ms: 12.34 },
  result: 'passed',
  explanation: null,
};
const failed: ConnectionItem = {
  ...passed,
  found: { answer: false, seen: null, why: 'silent', ms: null },
  result: 'failed',
  explanation: {
    command: 'tsbridge explain a%b c:1',
    verdict: 'dropped',
    text: ['-m comment --comment "</failure>]]><x a=\'1\'>&amp;\u0007\u001b[2J\ud800"', ''],
  },
};

t.test('one case for each connection, with its time, and what is wrong with it', async (t) => {
  t.equal(
    junit([passed, failed], 1.5),
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0" time="1.5">
  <testsuite name="tsbridge connectivity-test" tests="2" failures="1" errors="0" time="1.5">
    <testcase name="first → second, tcp, IPv4" classname="tsbridge.first-to-second" time="0.012"/>
    <testcase name="first → second, tcp, IPv4" classname="tsbridge.first-to-second" time="0.000">
      <failure message="expected yes, from 198.18.0.2 (containers of a network see each other); found no: no answer">tsbridge explain a%b c:1
-m comment --comment &quot;&lt;/failure&gt;]]&gt;&lt;x a=&apos;1&apos;&gt;&amp;amp;\ufffd\ufffd[2J\ufffd&quot;
</failure>
    </testcase>
  </testsuite>
</testsuites>
`,
  );
  t.match(junit([{ ...failed, explanation: null }], 0), /"><\/failure>\n/);
});

t.test('what XML has no way to write has a sign in its place', async (t) => {
  t.equal(escapeXml('a\u0000\u000b\ufffe\uffff\udc00b'), 'a\ufffd\ufffd\ufffd\ufffd\ufffdb');
  t.equal(escapeXml('\t\n\r'), '&#9;&#10;&#13;');
  t.equal(escapeXml('ü\u{1f600}'), 'ü\u{1f600}');
});

t.test('expected and found, in words', async (t) => {
  const expected = (answer: boolean, seen: string | null) =>
    expectedText({ expected: { answer, seen, because: 'so' } });
  t.equal(expected(true, null), 'yes (so)');
  t.equal(expected(true, '192.0.2.1'), 'yes, from 192.0.2.1 (so)');
  t.equal(expected(false, null), 'no (so)');
  const found = (answer: boolean, seen: string | null, why: string | null, ms: number | null) =>
    foundText({ found: { answer, seen, why, ms } });
  t.equal(found(true, '192.0.2.1', null, 3), 'yes, from 192.0.2.1 in 3 ms');
  t.equal(found(true, null, null, null), 'yes');
  t.equal(found(false, null, 'ECONNREFUSED', null), 'no: refused');
  t.equal(found(false, null, 'EXDEV', null), 'no: EXDEV');
});
