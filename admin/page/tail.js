// The live tail: a stream of JSON lines, of which the page keeps the last.
import { byId, count, el, set, visible } from './text.js';

const kept = 300; // lines
const form = byId('tail-form');
const box = byId('tail');
const button = byId('tail-button');
const note = byId('tail-note');

let stop; // ends the stream; undefined: there is none
let missed = 0; // records that the filter takes
let unexamined = 0;

// allowTail shows the form, or why there is none.
export function allowTail(status) {
  form.hidden = !status.records;
  byId('tail-off').hidden = status.records;
  if (!status.records) {
    set(byId('tail-off'), status.not_shown);
    stop?.();
  }
}

// message is what a record says: its usual field, or all of it.
function message(text) {
  try {
    const r = JSON.parse(text);
    for (const key of ['log', 'message', 'msg', 'MESSAGE']) if (typeof r[key] === 'string') return r[key];
  } catch { /* it is shown as it is */ }
  return text;
}

function lineOf(raw) {
  const l = JSON.parse(raw);
  if (l.missed || l.unexamined) {
    missed += l.missed;
    unexamined += l.unexamined;
    return null;
  }
  if (l.error) throw new Error(l.error);
  if (!l.stage) return null;
  const text = raw.slice(raw.indexOf(',"record":') + 10, -1); // as it was sent: a parsed number may lose digits
  const summary = el('summary', {}, el('span', { class: 'dim' }, `${l.time.slice(11, 23)} ${l.stage === 'out' ? '' : `${l.stage} `}${visible(l.part)} ${visible(l.tag)} `));
  if (l.stage === 'refused') {
    const why = `${[l.status || '', l.type].filter(Boolean).join(' ')}: ${l.reason}${l.target ? ` (for ${l.target})` : ''}`;
    summary.append(el('span', { class: 'bad cut' }, visible(why)));
  }
  summary.append(el('bdi', { class: 'text' }, visible(message(text).trimEnd())));
  return el('details', {}, summary, el('pre', {}, visible(text)));
}

function add(lines) {
  const follow = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  box.append(...lines);
  while (box.childElementCount > kept) box.firstElementChild.remove();
  if (follow) box.scrollTop = box.scrollHeight;
}

function noteText() {
  if (unexamined > 0) return `${count(missed + unexamined)} records came too fast to be shown. Of these, ${count(unexamined)} were passed over unexamined, because the filter takes more than can be shown: narrow it.`;
  if (missed > 0) return `${count(missed)} records are not shown: they came too fast. A filter shows those that you look for.`;
  return 'Records as they pass.';
}

async function read(query, signal) {
  const answer = await fetch(`/api/firelane/tail?${query}`, { signal });
  if (!answer.ok) throw new Error((await answer.text()).trim().replace(/^error: /, ''));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    if (done) throw new Error('The stream has ended.');
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    add(parts.filter(Boolean).map(lineOf).filter(Boolean));
    if (box.childElementCount > 0 || missed + unexamined > 0) set(note, noteText());
  }
}

async function start() {
  const query = new URLSearchParams();
  const data = new FormData(form);
  query.set('stage', data.getAll('stage').join(',') || 'out');
  for (const key of ['text', 'match', 'where']) if (data.get(key)) query.set(key, data.get(key).trim());
  const control = new AbortController();
  stop = () => control.abort();
  box.hidden = false;
  box.replaceChildren();
  missed = unexamined = 0;
  set(button, 'Stop');
  set(note, 'Waiting for records…');
  try {
    await read(query, control.signal);
  } catch (e) {
    if (control.signal.aborted) set(note, `Stopped. ${count(box.childElementCount)} lines.`);
    else set(note, `${e.message}`);
  }
  if (stop && control.signal.aborted === false) control.abort();
  stop = undefined;
  set(button, 'Start');
}

form.addEventListener('submit', (e) => {
  e.preventDefault();
  if (stop) stop();
  else start();
});

// Nobody looks at a page in the background.
document.addEventListener('visibilitychange', () => { if (document.hidden) stop?.(); });
