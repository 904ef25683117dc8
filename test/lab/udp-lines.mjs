// Many UDP senders that never stop, and receivers that tell whom they see.
//
//   node udp-lines.mjs send HOST FIRST_PORT COUNT    one socket for each port; prints "ready"
//   node udp-lines.mjs receive FIRST_PORT COUNT      answers, and writes /tmp/seen 10 times a second, as JSON: `seen` has
//                                                    the addresses by port that came after `since` (milliseconds
//                                                    of the monotonic clock); both begin anew when each port of
//                                                    the COUNT has been heard
import { createSocket } from 'node:dgram';
import { renameSync, writeFileSync } from 'node:fs';

const [command, ...args] = process.argv.slice(2);
const numbers = (first, count) =>
  Array.from({ length: Number(count) }, (_, index) => Number(first) + index);

// All processes of a machine share the monotonic clock.
const monotonicMs = () => Number(process.hrtime.bigint() / 1_000_000n);

if (command === 'send') {
  const [host, first, count] = args;
  const lines = numbers(first, count).map((port) => ({ port, socket: createSocket('udp4') }));
  // Nobody there now, as a syslog daemon would find it: it goes on.
  for (const { socket } of lines) socket.on('error', () => {});
  setInterval(() => {
    for (const { port, socket } of lines) socket.send('line', port, host);
  }, 5);
  console.log('ready');
} else if (command === 'receive') {
  const ports = numbers(...args);
  let seen = {};
  let since = monotonicMs();
  for (const port of ports) {
    const socket = createSocket('udp4');
    socket.on('message', (_, { port: peer, address }) => {
      seen[port] ??= [];
      if (!seen[port].includes(address)) seen[port].push(address);
      socket.send('answer', peer, address);
    });
    socket.bind(port);
  }
  setInterval(() => {
    writeFileSync('/tmp/seen.new', JSON.stringify({ since, seen }));
    renameSync('/tmp/seen.new', '/tmp/seen');
    if (Object.keys(seen).length < ports.length) return;
    seen = {};
    since = monotonicMs();
  }, 100);
}
