/**
 * What the event loop of the proxy process does when one watcher, of two with an event each, closes
 * the other's descriptor and opens another, which gets the same number. Prints what was called.
 */
import { EventLoop, epoll } from '../../src/proxy/process/system/event-loop.js';
import { layouts, loadSystemCalls } from '../../src/proxy/process/system/system-calls.js';

const called: string[] = [];
const system = loadSystemCalls();
const loop = new EventLoop(system, layouts(), (error) => called.push(String(error)));
const pipe = (): [from: number, to: number] => {
  const made = new Int32Array(2);
  system.pipe2(made, 0o4000);
  const [from = -1, to = -1] = made;
  return [from, to];
};
const [, intoFirst] = pipe();
const [, intoSecond] = pipe();
const empty = pipe();
const writable = (name: string) => ({ ready: () => void called.push(name) });
loop.watch(intoFirst, epoll.out | epoll.edge, {
  ready() {
    called.push('first');
    loop.close(intoSecond);
    // Each is the lowest number that is free.
    for (let made = -1; made < intoSecond; ) made = system.dup(empty[0]);
    loop.watch(intoSecond, epoll.in | epoll.edge, writable('of the descriptor before'));
    throw new Error('of one watcher');
  },
});
loop.watch(intoSecond, epoll.out | epoll.edge, writable('closed'));
let left = 3;
const again = pipe();
loop.watch(again[1], epoll.out | epoll.edge, {
  ready() {
    left -= 1;
    called.push(`again ${left}`);
    if (left > 0) loop.defer(again[1]);
  },
});
loop.run();
setTimeout(() => {
  process.stdout.write(JSON.stringify({ called }));
  process.exit(0);
}, 50);
