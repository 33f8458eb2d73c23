// The page of a captcha: its widget is all there is to see, unless it cannot be loaded.
(() => {
  'use strict';

  let failed = false;
  const show = () => {
    for (const part of document.querySelectorAll('[role=status], form button')) {
      part.hidden = !failed;
      if (failed && part.dataset.failed) part.textContent = part.dataset.failed;
    }
  };
  addEventListener('DOMContentLoaded', show);
  addEventListener('error', (event) => {
    failed ||= event.target.tagName === 'SCRIPT';
    show();
  }, true);

  // What the captcha's script calls once the person is through.
  globalThis.proven = () => document.querySelector('.widget').closest('form').requestSubmit();
})();
