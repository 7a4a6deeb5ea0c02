// The request builder: checks the request while it is typed, with the server's own
// decoder, and shows it as code.

import { snippets } from './code.mjs';

const form = document.querySelector('.builder');
const request = document.getElementById('request');
const verdict = document.getElementById('verdict');
const code = document.getElementById('code');
const language = document.getElementById('language');

function paragraph(text, className) {
  const p = document.createElement('p');
  p.textContent = text;
  if (className) p.className = className;
  return p;
}

function word(text) {
  const c = document.createElement('code');
  c.textContent = text;
  return c;
}

function show(answer) {
  verdict.replaceChildren();
  if (!answer.valid) {
    const p = paragraph(answer.message, 'problem');
    p.append(' ', word(answer.error_code));
    verdict.append(p);
    return;
  }
  const { width, height, fps, duration } = answer.input;
  verdict.append(paragraph(`The request is valid. Of an input of ${width}×${height} at ${fps} fps and ${duration} s it makes:`));
  const list = document.createElement('ul');
  for (const o of answer.outputs) {
    const item = document.createElement('li');
    item.append(word(o.key), ` ${o.type}` + (o.result === 'made' ? '' : `, ${o.result}`) + (o.message ? `: ${o.message}` : ''));
    list.append(item);
  }
  verdict.append(list);
  const encodes = answer.steps.reduce((n, s) => n + s.video_encodes, 0);
  const steps = document.createElement('p');
  steps.className = 'quiet';
  steps.textContent = `${answer.steps.length} steps, ${encodes} video ${encodes === 1 ? 'encode' : 'encodes'}: ${answer.steps.map((s) => s.id).join(', ')}.`;
  verdict.append(steps);
}

function showCode() {
  code.textContent = snippets(form.dataset.url + '/v2', request.value.trimEnd())[language.value];
}

language.addEventListener('change', showCode);

let asked = 0;
async function check() {
  const mine = ++asked;
  showCode();
  try {
    const response = await fetch('/console/validate', { method: 'POST', body: request.value, headers: { 'Content-Type': 'application/json' } });
    if (response.status === 401) { location.reload(); return; }
    const answer = await response.json();
    if (mine === asked) show(answer);
  } catch {
    if (mine === asked) verdict.replaceChildren(paragraph('The server does not answer.', 'problem'));
  }
}

let timer;
request.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(check, 250); });

form.addEventListener('click', (e) => {
  const button = e.target.closest('[data-add], [data-set]');
  if (!button) return;
  let job;
  try { job = JSON.parse(request.value); } catch { request.focus(); return; }
  const value = JSON.parse(button.dataset.value);
  if (button.dataset.set) job[button.dataset.set] = value;
  else addOutput(job, button.dataset.add, value);
  request.value = JSON.stringify(job, null, 2) + '\n';
  check();
});

function addOutput(job, key, value) {
  job.outputs ??= {};
  if (key in job.outputs) {
    const list = Array.isArray(job.outputs[key]) ? job.outputs[key] : [job.outputs[key]];
    job.outputs[key] = [...list, value];
  } else {
    job.outputs[key] = value;
  }
}

check();
