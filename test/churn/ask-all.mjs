// Asks many ports of one host at once.
//
//   node ask-all.mjs HOST PORT=NAME…    status 1, and a line for each port whose answer is not NAME
//
// A server that has only just been started is asked again for a while.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [host, ...questions] = process.argv.slice(2);
const attempts = 20;

function ask(port) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('end', () => resolve(text.trim()));
    socket.on('error', (error) => resolve(error.message));
    socket.on('close', () => resolve(text.trim()));
  });
}

const wrong = questions.map(async (question) => {
  const [port, name] = question.split('=');
  let answer = '';
  for (let attempt = 0; attempt < attempts && answer !== name; attempt += 1) {
    if (attempt > 0) await sleep(150);
    answer = await ask(Number(port));
  }
  return answer === name ? [] : [`port ${port} should be ${name}: ${answer}`];
});
const lines = (await Promise.all(wrong)).flat();
process.stdout.write(lines.map((line) => `${line}\n`).join(''), () => {
  process.exit(lines.length === 0 ? 0 : 1);
});
