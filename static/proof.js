// Solves the puzzle of a page: which number, put behind the salt, has the hash that the puzzle names? The page's script
// starts workers, which are this same file and share the numbers out.
(() => {
  'use strict';

  if (typeof document === 'undefined') {
    onmessage = async ({ data: { salt, challenge, maxNumber, first, step } }) => {
      const text = new TextEncoder();
      const wanted = challenge.match(/../g).map((byte) => parseInt(byte, 16));
      const hash = async (n) => {
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text.encode(salt + n)));
        return digest.every((byte, i) => byte === wanted[i]) ? n : -1;
      };
      const batch = 500; // enough to keep the hashing busy while this waits for it
      for (let n = first; n <= maxNumber; n += batch * step) {
        const numbers = Array.from({ length: batch }, (_, i) => n + i * step);
        const found = Math.max(...await Promise.all(numbers.map(hash)));
        if (found >= 0) postMessage(found);
      }
    };
    return;
  }

  const form = document.querySelector('form[data-puzzle]');
  const status = form.querySelector('[role=status]');
  const button = form.querySelector('button');
  const script = document.currentScript?.src || document.querySelector('script[src*="/proof."]').src;
  const puzzle = JSON.parse(form.dataset.puzzle);
  const workers = [];

  const stop = () => workers.splice(0).forEach((worker) => worker.terminate());
  const fail = () => {
    stop();
    status.textContent = status.dataset.failed;
    button.hidden = false;
  };
  const solved = ({ data: number }) => {
    if (!workers.length) return;
    stop();
    const { algorithm, challenge, salt, signature } = puzzle;
    const field = Object.assign(document.createElement('input'), { type: 'hidden', name: 'proof' });
    field.value = btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
    form.append(field);
    form.requestSubmit();
  };

  if (!crypto.subtle) return; // the page says what to do
  status.textContent = status.dataset.working;
  button.hidden = true;
  const count = Math.min(Math.max(navigator.hardwareConcurrency || 1, 1), 4);
  for (let first = 0; first < count; first++) {
    const worker = new Worker(script);
    workers.push(worker);
    worker.onmessage = solved;
    worker.onerror = fail;
    worker.postMessage({ ...puzzle, first, step: count });
  }
  // A solution is good once: a page that the back button brings back asks anew.
  addEventListener('pageshow', (event) => {
    if (event.persisted) form.requestSubmit();
  });
})();
