// The hosted pages work without this; it only saves some keystrokes and waiting.
(() => {
  'use strict';

  // A form is sent once: a double click sends no second code and spends no second try. It can be sent again after a
  // while, when the network may have lost it, and when the back button brings the page back as it was left.
  const sent = new Set();
  const release = (form) => {
    sent.delete(form);
    form.querySelector('button')?.removeAttribute('aria-disabled');
  };
  addEventListener('submit', (event) => {
    const form = event.target;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    sent.add(form);
    form.querySelector('button')?.setAttribute('aria-disabled', 'true');
    setTimeout(release, 8000, form);
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) [...sent].forEach(release);
  });

  // A pasted or filled-in code is cleaned and sent. A typed one is not: the person presses Enter.
  const code = document.getElementById('code');
  if (code) {
    let before = code.value.length;
    if (before) code.select();
    code.addEventListener('input', (event) => {
      const grown = code.value.length - before;
      before = code.value.length;
      const kind = event.inputType || 'fill'; // a browser that fills the field in says nothing
      const whole = grown > 1 || /^(fill|insertFrom|insertReplacement)/.test(kind) ||
        (kind === 'insertText' && event.data?.length > 1);
      const digits = whole && findCode(code.value, Number(code.dataset.length));
      if (!digits) return;
      code.value = digits;
      before = digits.length;
      code.form.requestSubmit();
    });
  }

  // The digits of a code in a text such as "Your code is 123 456!", or nothing when there is no single such run.
  function findCode(text, length) {
    const runs = text.normalize('NFKC').replace(/(\d)[\s-]+(?=\d)/g, '$1').match(/\d+/g) || [];
    const fitting = runs.filter((run) => run.length === length);
    return fitting.length === 1 ? fitting[0] : '';
  }

  // Another message may be asked for after a while.
  for (const button of document.querySelectorAll('button[data-wait]')) {
    const text = button.textContent;
    const end = Date.now() + Number(button.dataset.wait) * 1000;
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = text;
      if (left <= 0) return;
      const time = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
      button.textContent = button.dataset.waitText.replace('{time}', time);
      setTimeout(tick, 1000);
    };
    tick();
  }

  // Times are the server's until here.
  for (const time of document.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.textContent = at.toLocaleTimeString(document.documentElement.lang, { hour: 'numeric', minute: '2-digit' });
  }

  // The answer to an app goes to the window that framed or opened this page, if it shows a page of the app's origin.
  const answer = document.querySelector('[data-response]');
  if (answer) {
    const app = window.parent === window ? window.opener : window.parent;
    app?.postMessage({ type: 'authorization_response', response: JSON.parse(answer.dataset.response) }, answer.dataset.target);
  }

  // A link opened in the browser that asked for it goes on by itself, but never before somebody sees it.
  const auto = document.querySelector('form[data-auto]');
  if (auto) {
    const go = () => {
      if (document.visibilityState !== 'visible' || document.prerendering) return;
      document.removeEventListener('visibilitychange', go);
      if (!sent.has(auto)) auto.requestSubmit();
    };
    document.addEventListener('visibilitychange', go);
    go();
  }
})();
