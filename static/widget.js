// What a captcha's script calls once the person is through: the form goes on.
globalThis.proven = () => document.querySelector('.widget').closest('form').requestSubmit();
