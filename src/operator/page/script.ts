/**
 * The only script of the page: events as they happen. Without it the page shows those that there were. It makes text nodes only,
 * so that no word of an event becomes markup.
 */
export const pageScript: string = `'use strict';
const list = document.getElementById('events');
const state = document.getElementById('live');
if (list !== null && state !== null) {
  const say = (words) => { if (state.textContent !== words) state.textContent = words; };
  const source = new EventSource('/events?since=' + encodeURIComponent(list.dataset.last ?? ''));
  source.onopen = () => say('New events are added as they happen.');
  source.onerror = () => say(source.readyState === EventSource.CLOSED
    ? 'No new events can be had; read the page again later.'
    : 'The connection is gone; it is tried again.');
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    const item = document.createElement('li');
    const time = document.createElement('time');
    time.className = 'quiet mono';
    time.textContent = event.at;
    const kind = document.createElement('strong');
    kind.textContent = event.kind;
    item.append(time, ' ', kind, ' ', event.words);
    list.prepend(item);
    while (list.childElementCount > 200) list.lastElementChild.remove();
    say('Something has changed since this page was made: read it again.');
  };
  addEventListener('pagehide', () => source.close());
}
`;
