// One TCP connection that is kept busy, for tests of what it survives.
//
//   node hold.mjs HOST PORT    prints "open", then sends a byte every 50 ms, until SIGUSR1: then it
//                              half-closes, prints the server's answer (probe.mjs), and ends
//
// Ends with status 1, and says why, if the connection breaks.
import { connect } from 'node:net';

const [host, port] = process.argv.slice(2);
const fail = (reason) => process.stderr.write(`${reason}\n`, () => process.exit(1));
const socket = connect({ host, port: Number(port), allowHalfOpen: true });
let text = '';
socket.on('connect', () => {
  process.stdout.write('open\n');
  const beat = setInterval(() => socket.write('x'), 50);
  process.once('SIGUSR1', () => {
    clearInterval(beat);
    socket.end();
  });
});
socket.on('data', (part) => {
  text += part;
});
socket.on('end', () => {
  if (text === '') fail('closed by the other side');
  else process.stdout.write(text, () => process.exit(0));
});
socket.on('error', (error) => fail(error.message));
