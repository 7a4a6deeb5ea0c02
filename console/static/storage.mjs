// The storage check: shows the answer without losing what was typed.

const form = document.getElementById('storage');
const request = document.getElementById('request');
const found = document.getElementById('found');
const submit = form.querySelector('.first');

form.addEventListener('click', (e) => {
  const button = e.target.closest('[data-example]');
  if (button) request.value = button.dataset.example;
});

function say(text, className) {
  const p = document.createElement('p');
  p.textContent = text;
  p.className = className;
  found.replaceChildren(p);
}

form.addEventListener('submit', async (e) => {
  e.preventDefault();
  submit.disabled = true;
  say('The storage is being tried out.', 'quiet');
  try {
    const response = await fetch(form.action, { method: 'POST', body: new URLSearchParams({ request: request.value }) });
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const answer = page.getElementById('found');
    if (answer) found.replaceChildren(...answer.childNodes);
    else if (response.redirected) location.reload(); // signed out
    else say('The server has trouble. Its log says more.', 'problem');
  } catch {
    say('The server does not answer.', 'problem');
  }
  submit.disabled = false;
});
