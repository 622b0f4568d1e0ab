// The status page: it asks /api/firelane/status every two seconds, as long as it is visible, and shows the differences as rates.
import { bytes, byId, count, duration, el, keyed, perSecond, percent, set, visible } from './text.js';
import { allowTail } from './tail.js';

const every = 2000; // ms
const points = 60; // of a rate's history
const history = new Map(); // of each input and output

let last; // the last status
let lastAt = 0;

function record(key, rate) {
  const list = history.get(key) ?? [];
  list.push(rate);
  if (list.length > points) list.shift();
  history.set(key, list);
}

const svg = 'http://www.w3.org/2000/svg';

function spark() {
  const s = document.createElementNS(svg, 'svg');
  s.setAttribute('class', 'spark');
  s.setAttribute('viewBox', `0 0 ${points - 1} 20`);
  s.setAttribute('preserveAspectRatio', 'none');
  s.setAttribute('aria-hidden', 'true');
  s.append(document.createElementNS(svg, 'polyline'));
  return s;
}

function draw(s, key) {
  const list = history.get(key) ?? [];
  const top = Math.max(1, ...list);
  s.firstChild.setAttribute('points', list.map((v, i) => `${points - list.length + i},${(19 - 18 * v / top).toFixed(1)}`).join(' '));
}

function part(name) {
  return el('li', {}, el('div', { class: 'name' }), el('div', { class: 'dim' }), ...name);
}

const marks = { ok: '●', warn: '▲', bad: '✕' };

const states = {
  idle: ['ok', '○ idle'], delivering: ['ok', '● delivering'], waiting: ['warn', '▲ some records are refused'],
  throttled: ['warn', '▲ throttled'], unauthorised: ['bad', '✕ access denied'], failing: ['bad', '✕ failing'],
};

function showPipeline(s, rates) {
  keyed(byId('inputs'), s.inputs, (i) => i.id, () => part([el('div', { class: 'flow' }, el('span', { class: 'rate' }), spark())]), (e, i) => {
    const [name, type, flow] = e.children;
    const [rate, line] = flow.children;
    set(name, i.id);
    const rejected = Object.values(i.account.rejected ?? {}).reduce((a, b) => a + b, 0);
    set(type, [i.type, i.account.unrouted ? `${count(i.account.unrouted)} unrouted` : '', rejected ? `${count(rejected)} rejected` : ''].filter(Boolean).join(' · '));
    set(rate, `${perSecond(rates.in.get(i.id) ?? 0)} records/s`);
    draw(line, `in ${i.id}`);
  });
  const steps = s.steps ?? [];
  keyed(byId('steps'), steps.length ? steps : [{ id: 'none', type: '', match: '' }], (f) => f.id, () => part([]), (e, f) => {
    set(e.children[0], steps.length ? f.id : '–');
    set(e.children[1], steps.length ? `${f.id.startsWith(f.type) ? '' : f.type + ' '}for ${f.match || 'all'}` : 'No steps are configured.');
  });
  keyed(byId('ends'), s.outputs, (o) => o.id, () => part([el('div', { class: 'flow' }, el('span', { class: 'rate' }), spark())]), (e, o) => {
    const [name, type, flow] = e.children;
    const [rate, line] = flow.children;
    const [kind, text] = states[o.state] ?? ['', o.state];
    set(name, o.id);
    type.className = kind;
    set(type, text);
    set(rate, `${perSecond(rates.out.get(o.id) ?? 0)} records/s`);
    draw(line, `out ${o.id}`);
  });
  set(byId('rate-in'), `${perSecond(sum(rates.in))}/s`);
  set(byId('rate-out'), `${perSecond(sum(rates.queued))}/s`);
}

const sum = (map) => [...map.values()].reduce((a, b) => a + b, 0);

function card() {
  return el('article', { class: 'card' },
    el('div', { class: 'head' }, el('h3', {}), el('span', { class: 'state' })),
    el('p', { class: 'dim' }),
    el('p', {}),
    el('p', { class: 'error', hidden: '' }),
    el('div', { class: 'queue' }, el('span', { class: 'dim' }, 'Queue'), el('div', { class: 'bar' }, el('span', {})), el('span', {}), el('span', { class: 'num' })),
    el('dl', { class: 'account' }));
}

function showCard(e, o, s, rate) {
  const [head, about, words, error, queue, account] = e.children;
  const [kind, text] = states[o.state] ?? ['', o.state];
  set(head.children[0], o.id);
  head.children[1].className = `state ${kind}`;
  set(head.children[1], text);
  set(about, [o.type && !o.id.startsWith(o.type) ? o.type : '', o.match ? `for ${o.match}` : '', `${perSecond(rate)} records/s`,
    `${count(o.requests)} requests, ${count(o.failed_requests)} failed`].filter(Boolean).join(' · '));
  set(words, o.words);
  error.hidden = !o.last_error;
  if (o.last_error) {
    const past = !['failing', 'throttled', 'unauthorised'].includes(o.state);
    error.classList.toggle('past', past);
    set(error, visible(`Last error, ${duration((Date.parse(s.now) - Date.parse(o.last_error_at)) / 1000)} ago${past ? ' (over)' : ''}: ${o.last_error}`));
  }
  const q = o.queue;
  const full = q.limit_bytes > 0 ? Math.min(1, q.bytes / q.limit_bytes) : 0;
  queue.children[1].firstChild.style.width = `${full > 0 ? Math.max(1, 100 * full) : 0}%`;
  set(queue.children[3], `${count(q.records)} records, ${bytes(q.bytes)}${q.limit_bytes > 0 ? ` of ${bytes(q.limit_bytes)}` : ''} ${q.on_disk ? 'on disk' : 'in memory: a kill loses them'}${q.oldest ? `, the oldest for ${duration((Date.parse(s.now) - Date.parse(q.oldest)) / 1000)}` : ''}`);
  showAccount(account, o.account);
}

function showAccount(list, a) {
  const terms = [['received', a.received], ['+ added by steps', a.added], ['= delivered', a.delivered], ['+ filtered out', a.filtered], ['+ merged', a.merged],
    ...Object.entries(a.dropped ?? {}).map(([reason, n]) => [`+ dropped: ${reason}`, n, 'bad']), ['+ dead letter', a.dead_lettered, a.dead_lettered ? 'bad' : ''],
    ['+ held by steps', a.held], ['+ waiting', a.buffered], ['+ unaccounted', a.unaccounted, a.unaccounted ? 'bad' : '']]
    .filter(([name, n]) => n !== 0 || ['received', '= delivered', '+ waiting', '+ dead letter', '+ unaccounted'].includes(name));
  keyed(list, terms, (t) => t[0], () => el('div', {}, el('dt', {}), el('dd', {})), (e, [name, n, kind]) => {
    e.className = kind ?? '';
    set(e.children[0], name);
    set(e.children[1], count(n));
  });
}

let refusedShown = '';

function showRefused(s) {
  const dead = s.outputs.reduce((n, o) => n + o.account.dead_lettered, 0);
  set(byId('refused-note'), dead === 0 && s.refused.length === 0 ? 'Nothing was refused since the router began.'
    : `${dead === 1 ? '1 record is in a dead letter' : `${count(dead)} records are in dead letters`}: firelane dead list shows all. The newest:`);
  const now = JSON.stringify(s.refused);
  if (now === refusedShown) return;
  refusedShown = now;
  const seen = new Map();
  keyed(byId('refused'), s.refused, (r) => {
    const k = `${r.time} ${r.output} ${r.reason ?? ''}`;
    seen.set(k, (seen.get(k) ?? 0) + 1);
    return `${k} ${seen.get(k)}`;
  }, (r) => {
    const why = [r.status || '', r.type ?? ''].filter(Boolean).join(' ');
    const line = `${r.time.slice(11, 19)} ${r.output}${r.target ? ` → ${r.target}` : ''}: ${why}${r.reason ? `${why ? ': ' : ''}${r.reason}` : ''}`;
    if (!r.record) return el('p', {}, visible(line));
    return el('details', {}, el('summary', {}, visible(line)), el('pre', {}, visible(`${r.tag}\n${JSON.stringify(r.record, null, 1)}`)));
  });
}

function showOrphans(s) {
  const list = s.queues_without_output ?? [];
  byId('orphans').hidden = list.length === 0;
  keyed(byId('orphan-list'), list, (o) => o.queue, () => el('li', {}), (e, o) => set(e, `${o.queue}: ${count(o.records)} records, ${bytes(o.bytes)} (${o.output}). ${o.reason}`));
}

function show(s, before) {
  const rates = { in: new Map(), out: new Map(), queued: new Map() };
  const seconds = before ? s.uptime_s - before.uptime_s : 0;
  if (seconds > 0) {
    const diff = (now, then) => Math.max(0, now - (then ?? now)) / seconds;
    for (const i of s.inputs) {
      const b = before.inputs.find((x) => x.id === i.id);
      rates.in.set(i.id, diff(i.account.received, b?.account.received));
      record(`in ${i.id}`, rates.in.get(i.id));
    }
    for (const o of s.outputs) {
      const b = before.outputs.find((x) => x.id === o.id);
      rates.out.set(o.id, diff(o.account.delivered, b?.account.delivered));
      rates.queued.set(o.id, diff(o.account.received - o.account.filtered, b && b.account.received - b.account.filtered));
      record(`out ${o.id}`, rates.out.get(o.id));
    }
  }
  const cpu = seconds > 0 ? ` · CPU ${(100 * (s.cpu_s - before.cpu_s) / seconds).toFixed(1)} %` : '';
  set(byId('about'), `${s.version} · up ${duration(s.uptime_s)} · ${s.memory_bytes ? bytes(s.memory_bytes) : ''}${cpu} · ${s.now.slice(11, 19)} UTC`);
  showVerdict(s);
  showPipeline(s, rates);
  keyed(byId('cards'), s.outputs, (o) => o.id, card, (e, o) => showCard(e, o, s, rates.out.get(o.id) ?? 0));
  showOrphans(s);
  showRefused(s);
  allowTail(s);
}

function showVerdict(s) {
  const { kind, text } = s.verdict;
  const verdict = byId('verdict');
  verdict.className = `verdict ${kind}`;
  // The numbers in it change all the time: a screen reader is told again only if the kind of state changes.
  const state = kind + s.outputs.map((o) => o.id + (states[o.state]?.[0] ?? o.state)).join();
  verdict.setAttribute('aria-live', verdict.dataset.state === state ? 'off' : 'polite');
  verdict.dataset.state = state;
  set(verdict, `${marks[kind] ?? ''} ${visible(text)}`);
  document.title = `${kind === 'ok' ? '' : `${marks[kind]} `}firelane`;
}

async function poll() {
  try {
    const answer = await fetch('/api/firelane/status', { signal: AbortSignal.timeout(8000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const s = await answer.json();
    // After a pause, or for another process, there is nothing to compare with.
    show(s, last && s.uptime_s > last.uptime_s && Date.now() - lastAt < 5 * every ? last : undefined);
    last = s;
    lastAt = Date.now();
  } catch (e) {
    const verdict = byId('verdict');
    verdict.className = 'verdict bad';
    set(verdict, `${marks.bad} The router doesn't answer${lastAt ? ` since ${duration((Date.now() - lastAt) / 1000)}` : ''}: it may have ended. What is below is its last state.`);
    document.title = '✕ firelane';
  }
}

const usage = { containers: new Map(), fields: new Map(), sampled: 0, passed: 0, bytes: 0, seconds: 0 };

const others = '(others)'; // as the router calls what it counts together
const names = 200; // that are told apart; a page may be open for weeks

function addShare(map, s) {
  const sum = map.get(s.name) ?? { name: s.name, records: 0, bytes: 0 };
  sum.records += s.records;
  sum.bytes += s.bytes;
  map.set(s.name, sum);
}

function addShares(map, list) {
  for (const s of list) addShare(map, s);
  const small = [...map.values()].filter((s) => s.name !== others).sort((a, b) => b.bytes - a.bytes).slice(names);
  for (const s of small) {
    map.delete(s.name);
    addShare(map, { ...s, name: others });
  }
}

function showShares(body, map) {
  const list = [...map.values()].sort((a, b) => b.bytes - a.bytes).slice(0, 12);
  const scale = usage.sampled ? usage.passed / usage.sampled / usage.seconds : 0;
  keyed(body, list, (s) => s.name, () => el('tr', {}, el('th', { scope: 'row', class: 'mono' }), el('td', { class: 'share' }, el('span', {}), el('div', { class: 'bar' }, el('span', {}))), el('td', {}), el('td', {})), (e, s) => {
    const part = usage.bytes ? s.bytes / usage.bytes : 0;
    set(e.children[0], visible(s.name));
    set(e.children[1].children[0], percent(part));
    e.children[1].children[1].firstChild.style.width = `${100 * Math.min(1, part)}%`;
    set(e.children[2], bytes(s.bytes * scale));
    set(e.children[3], bytes(s.bytes / Math.max(1, s.records)));
  });
}

async function sample(seconds) {
  const answer = await fetch(`/api/firelane/usage?seconds=${seconds}`, { signal: AbortSignal.timeout(1000 * seconds + 8000) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const u = await answer.json();
  addShares(usage.containers, u.containers);
  addShares(usage.fields, u.fields);
  usage.sampled += u.sampled_records;
  usage.passed += u.passed_records;
  usage.bytes += u.sampled_bytes;
  usage.seconds += u.seconds;
  byId('usage').hidden = usage.sampled === 0;
  set(byId('usage-note'), usage.sampled === 0 ? 'No record has passed since this page was opened.'
    : `Of what is queued for outputs, since this page was opened: a sample of ${count(usage.sampled)} of ${count(usage.passed)} records. A record for two outputs counts twice.`);
  showShares(byId('containers'), usage.containers);
  showShares(byId('fields'), usage.fields);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const shown = () => new Promise((done) => {
  if (!document.hidden) done();
  else document.addEventListener('visibilitychange', () => done(), { once: true });
});

async function watchStatus() {
  for (;;) {
    await shown();
    await poll();
    await pause(every);
  }
}

// A sample of two seconds in ten costs the router a fifth, and says the same after a minute.
async function watchUsage() {
  for (;;) {
    await shown();
    if (last && !last.records) set(byId('usage-note'), last.not_shown);
    if (last?.records) {
      try {
        await sample(2);
      } catch { /* the next one may work */ }
      await pause(4 * every);
    } else await pause(every);
  }
}

watchStatus();
watchUsage();
