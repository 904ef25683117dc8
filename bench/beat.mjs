// A packet a millisecond, to see which of them get lost.
//
//   node beat.mjs echo PORT         sends back what comes; prints "ready" first
//   node beat.mjs beat HOST PORT    until SIGTERM; prints {"sent", "lost"} a moment later
import { createSocket } from 'node:dgram';

const [command, ...args] = process.argv.slice(2);
if (command === 'echo') {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => socket.send(message, from.port, from.address));
  socket.bind(Number(args[0]), () => console.log('ready'));
} else {
  const [host, port] = args;
  const socket = createSocket('udp4');
  let sent = 0;
  let back = 0;
  socket.on('message', () => {
    back += 1;
  });
  socket.on('error', () => {});
  socket.connect(Number(port), host, () => {
    const beat = setInterval(() => {
      sent += 1;
      socket.send('x');
    }, 1);
    console.log('beating');
    process.once('SIGTERM', () => {
      clearInterval(beat);
      setTimeout(() => {
        process.stdout.write(`${JSON.stringify({ sent, lost: sent - back })}\n`);
        process.exit(0);
      }, 500);
    });
  });
}
