import t from 'tap';
import { parsePortWord } from '../../../src/core/publications/words.js';

const read = (text: string) => {
  const ports = parsePortWord(text);
  if (typeof ports === 'string') return ports;
  const lines = ports.requests.map(({ protocol, hostIp, hostPorts, containerPort }) => {
    const { first, last } = hostPorts ?? {};
    return `${hostIp ?? '*'} ${first === last ? first : `${first}-${last}`} ${containerPort} ${protocol}`;
  });
  return [ports.word, ...lines];
};

t.test('a word is read as docker run -p reads it, and written in one way', async (t) => {
  t.strictSame(read('9229:9229'), ['9229:9229/tcp', '* 9229 9229 tcp']);
  t.strictSame(read('0080:080/udp'), ['80:80/udp', '* 80 80 udp']);
  t.strictSame(read('127.0.0.1:8080:80/sctp'), [
    '127.0.0.1:8080:80/sctp',
    '127.0.0.1 8080 80 sctp',
  ]);
  t.strictSame(read('[::1]:8080:80'), ['[::1]:8080:80/tcp', '::1 8080 80 tcp']);
  t.strictSame(read('[0:0::1]:8080:80'), ['[::1]:8080:80/tcp', '::1 8080 80 tcp']);
  t.strictSame(read('8000-8001:80-81'), ['8000-8001:80-81/tcp', '* 8000 80 tcp', '* 8001 81 tcp']);
  t.strictSame(read('8000-8009:80'), ['8000-8009:80/tcp', '* 8000-8009 80 tcp']);
  t.equal((read('1-65535:1-65535') as string[]).length, 65536);
});

t.test('what is wrong with a word is said', async (t) => {
  const shape = 'is not [IP:]HOSTPORT[-END]:PORT[-END][/PROTOCOL]';
  for (const text of [
    '',
    '80',
    ':80',
    '80:',
    'http:80',
    '80:80/TCP',
    '80:80/',
    '80 :80',
    '1:2\n',
  ]) {
    t.match(read(text), shape, JSON.stringify(text));
  }
  t.match(read('80:80/icmp'), '80:80/icmp: icmp is none of tcp, udp, sctp');
  const numbers = 'ports are 1 to 65535, and a range begins with its lower end';
  for (const text of ['0:80', '80:0', '65536:80', '80:65536', '81-80:80-81', '80-81:81-80']) {
    t.match(read(text), numbers, text);
  }
  t.match(read('80-82:80-81'), 'the two ranges have different lengths');
  t.match(read('80:80-81'), 'the two ranges have different lengths');
  for (const text of [
    '::1:80:80',
    '127.1:80:80',
    'localhost:80:80',
    '[127.0.0.1]:80:80',
    ':80:80',
  ]) {
    t.match(read(text), 'is not an IP address (an IPv6 address stands in brackets)', text);
  }
});
