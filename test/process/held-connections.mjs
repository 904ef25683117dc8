// TCP connections that are held, and asked again and again whether they are alive.
//
//   node held-connections.mjs serve PORT                 echoes; prints "ready" first, until killed
//   node held-connections.mjs hold HOST:PORT …           connects, prints "open"; for each line of its input it writes to
//        every connection, and prints a JSON list: "echo", or "none" if nothing came back
import { connect, createServer } from 'node:net';

const [command, ...words] = process.argv.slice(2);
const waitMs = 1_500;

if (command === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(Number(words[0]), '::', () => console.log('ready'));
} else {
  const sockets = await Promise.all(words.map(open));
  console.log('open');
  process.stdin.on('data', async () => {
    console.log(JSON.stringify(await Promise.all(sockets.map(ask))));
  });
}

function open(word) {
  const [, host, port] = /^(.*):(\d+)$/.exec(word);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port) }, () => resolve(socket));
    socket.on('error', reject);
  });
}

function ask(socket) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('none'), waitMs);
    const onData = () => {
      clearTimeout(timer);
      resolve('echo');
    };
    socket.once('data', onData);
    if (socket.destroyed) resolve('none');
    else socket.write('?');
    setTimeout(() => socket.off('data', onData), waitMs);
  });
}
