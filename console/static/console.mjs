// What every page has: times in the reader's zone, questions before what cannot be
// undone, buttons that copy, and the stream that keeps an open page up to date.

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** Shows times within root in the reader's time zone; the title keeps UTC. */
function localTimes(root) {
  for (const t of root.querySelectorAll('time[datetime]:not([title])')) {
    t.title = t.textContent;
    t.textContent = clock.format(new Date(t.dateTime));
  }
}

/** Puts HTML of the server into an element, and leaves the focus and open details where they were. */
function put(element, html) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : '';
  const open = [...element.querySelectorAll('details[open]')].map((d) => d.id);
  element.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  localTimes(element);
}

/** Follows the page's stream. A browser reconnects by itself, and the first message after that brings everything. */
function follow(address) {
  const link = document.getElementById('link');
  const say = (on, text) => { link.className = 'link ' + (on ? 'on' : 'off'); if (link.textContent !== text) link.textContent = text; };
  let stream;
  const stop = () => stream?.close();
  const start = () => {
    stop();
    stream = new EventSource(address);
    stream.onopen = () => say(true, 'live');
    stream.addEventListener('fragments', (e) => {
      for (const [id, html] of Object.entries(JSON.parse(e.data))) {
        const element = document.getElementById(id);
        // A player keeps playing: its output has ended and does not change.
        if (element && !element.querySelector('video, audio')) put(element, html);
      }
    });
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) say(false, 'not live: reload the page');
      else say(false, 'reconnecting');
    };
  };
  start();
  // A page in the background costs the server nothing.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) stop();
    else if (stream.readyState === EventSource.CLOSED) start();
  });
  addEventListener('pagehide', stop);
}

document.addEventListener('submit', (e) => {
  const question = e.target.dataset.confirm;
  if (question && !confirm(question)) e.preventDefault();
});

document.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-copy], [data-copy-from]');
  if (!button) return;
  const text = button.dataset.copy
    ? new URL(button.dataset.copy, location.href).href
    : document.getElementById(button.dataset.copyFrom).textContent;
  await navigator.clipboard.writeText(text);
  const was = button.innerHTML;
  button.textContent = 'Copied';
  setTimeout(() => { button.innerHTML = was; }, 1500);
});

localTimes(document);
const live = document.querySelector('[data-live]');
if (live) follow(live.dataset.live);
