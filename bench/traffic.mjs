// The two ends of the proxy's rows. Plain JavaScript that needs nothing else: it also runs inside
// of containers.
//
//   node traffic.mjs serve                          TCP 9001 swallows, TCP 9002 says a byte, UDP 9003 echoes
//   node traffic.mjs stream HOST PORT MEGABYTES     prints MB/s, when the server has said it got all
//   node traffic.mjs connect HOST PORT SECONDS      prints new connections per second, 16 at a time
//   node traffic.mjs datagrams HOST PORT SECONDS    prints echoes per second, 64 on their way
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [command, host, port, amount] = process.argv.slice(2);
const run = { serve, stream, connect: connections, datagrams }[command];
await run(host, Number(port), Number(amount));

function serve() {
  createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (part) => {
      bytes += part.length;
    });
    socket.on('end', () => socket.end(String(bytes)));
    socket.on('error', () => {});
  }).listen(9001, '::');
  createServer((socket) => {
    socket.on('error', () => {});
    socket.end('x');
  }).listen({ port: 9002, host: '::', backlog: 4096 });
  const echo = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  echo.on('message', (message, from) => echo.send(message, from.port, from.address));
  echo.bind(9003, () => console.log('ready'));
  process.on('SIGTERM', () => process.exit(0));
}

async function stream(host, port, megabytes) {
  const chunk = Buffer.alloc(1 << 18, 'x');
  const total = megabytes * 1e6;
  const started = performance.now();
  const socket = connect({ host, port, allowHalfOpen: true });
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const ended = new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
  for (let sent = 0; sent < total; sent += chunk.length) {
    const part = total - sent < chunk.length ? chunk.subarray(0, total - sent) : chunk;
    if (!socket.write(part)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
  await ended;
  if (Number(text) !== total) throw new Error(`the server got ${text} of ${total} bytes`);
  console.log(megabytes / ((performance.now() - started) / 1000));
}

async function connections(host, port, seconds) {
  const end = performance.now() + seconds * 1000;
  let done = 0;
  const one = () =>
    new Promise((resolve, reject) => {
      let answered = false;
      const socket = connect({ host, port });
      socket.on('data', () => {
        answered = true;
      });
      socket.on('error', reject);
      socket.on('close', () => (answered ? resolve() : reject(new Error('no answer'))));
    });
  const worker = async () => {
    while (performance.now() < end) {
      await one();
      done += 1;
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: 16 }, worker));
  console.log(done / ((performance.now() - started) / 1000));
}

async function datagrams(host, port, seconds) {
  const message = Buffer.alloc(64, 'x');
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  await new Promise((resolve) => socket.connect(port, host, resolve));
  let echoed = 0;
  let last = performance.now();
  socket.on('message', () => {
    echoed += 1;
    last = performance.now();
    socket.send(message);
  });
  socket.on('error', () => {});
  // One at first, as a session begins; and again what may have got lost.
  socket.send(message);
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (let index = 1; index < 64; index += 1) socket.send(message);
  const refill = setInterval(() => {
    if (performance.now() - last > 50)
      for (let index = 0; index < 64; index += 1) socket.send(message);
  }, 50);
  const [from, started] = [echoed, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  console.log((echoed - from) / ((performance.now() - started) / 1000));
  clearInterval(refill);
  process.exit(0);
}
