// What every script of an SDK needs: the tenant that it talks to, and people who read their messages and sign in.
export const { DOMAIN: domain, APP: app, SECRET: secret, SIGNER_KEY: signerKey } = process.env;
export const issuer = `https://${domain}/`;

const ask = async (path, parameters) => {
  const answer = await fetch(`${process.env.PEOPLE}${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
};

// code waits for the n-th message to an address or a number.
export const code = async (to, n = 1) => (await (await ask('/inbox', { to, n })).json()).code;

// wrong is another code of the same length.
export const wrong = (code) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

// visit signs somebody in at an authorization URL and gives the address that they are sent back to.
export const visit = async (url, address) => new URL(await (await ask('/visit', { url, address })).text());

// claims of a JWT, unverified.
export const claims = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
