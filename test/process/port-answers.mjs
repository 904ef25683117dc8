// Servers that say which of their ports they were asked at, and clients that ask.
//
//   node port-answers.mjs serve tcp/8000 udp/53 …       until killed; prints "ready" first
//   node port-answers.mjs peers tcp/8000 udp/53 …       the same, but answers with the client's address
//   node port-answers.mjs ask tcp/8000@HOST[~LOCAL_ADDRESS][+LOCAL_PORT] …   one after the other, keeping the
//        connections; prints a JSON list of the answers, or of error codes
//   node port-answers.mjs together tcp/8000@HOST …         the same, all at the same time
//   TIMEOUT_MS=1000 node …                                 waits so long for each answer, in place of 3 s
//   TEST_SLOWNESS=10 node …                                waits so many times as long: on an emulated machine
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [command, ...questions] = process.argv.slice(2);
const timeoutMs = Number(process.env.TIMEOUT_MS ?? 3_000) * Number(process.env.TEST_SLOWNESS ?? 1);

const parse = (text) => {
  const form = /^(tcp|udp)\/(\d+)(?:@([^+~]+))?(?:~([^+]+))?(?:\+(\d+))?$/;
  const [, protocol, port, host, from, local] = form.exec(text);
  return { protocol, port: Number(port), host, from, local: Number(local ?? 0) };
};

if (command === 'serve' || command === 'peers') {
  await Promise.all(questions.map((text) => serve(parse(text))));
  console.log('ready');
} else if (command === 'together') {
  const asked = questions.map((text) => ask(parse(text)).catch((error) => error.code));
  console.log(JSON.stringify(await Promise.all(asked)));
  process.exit(0);
} else {
  const answers = [];
  for (const text of questions) answers.push(await ask(parse(text)).catch((error) => error.code));
  console.log(JSON.stringify(answers));
  process.exit(0);
}

const answer = (port, peer) => (command === 'peers' ? peer.replace(/^::ffff:/, '') : String(port));

function serve({ protocol, port }) {
  return new Promise((resolve) => {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write(answer(port, socket.remoteAddress));
      });
      server.listen(port, '::', resolve);
    } else {
      const socket = createSocket('udp6');
      socket.on('message', (_, from) =>
        socket.send(answer(port, from.address), from.port, from.address),
      );
      socket.bind(port, resolve);
    }
  });
}

function ask({ protocol, port, host, from, local }) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject({ code: 'timeout' }), timeoutMs).unref();
    if (protocol === 'tcp') {
      const here = { ...(from && { localAddress: from }), ...(local && { localPort: local }) };
      const socket = connect({ port, host, ...here });
      socket.on('error', reject);
      socket.on('data', (text) => resolve(String(text)));
      socket.on('end', () => reject({ code: 'closed' }));
    } else {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.on('error', reject);
      socket.on('message', (text) => resolve(String(text)));
      socket.send('?', port, host);
    }
  });
}
