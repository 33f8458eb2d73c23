// A relying party with openid-client: prints the address that the browser is to visit, reads the address it came back
// to, and goes through the rest. Every line it prints is "name value"; the last one is "done".
import * as client from 'openid-client';
import { createInterface } from 'node:readline';

const [issuer, id, secret, redirect, bye] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (name, value) => console.log(name, value);

const config = await client.discovery(new URL(issuer), id, secret, undefined, { execute: [client.allowInsecureRequests] });
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
say('visit', client.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: 'openid email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}).href);

const back = new URL((await lines.next()).value);
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
});
say('sub', tokens.claims().sub);
say('email', (await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).email);

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
say('rotated', refreshed.refresh_token !== tokens.refresh_token);
say('active', (await client.tokenIntrospection(config, refreshed.access_token)).active);
await client.tokenRevocation(config, refreshed.refresh_token);
say('revoked', !(await client.tokenIntrospection(config, refreshed.access_token)).active);
say('logout', client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: bye, state: 'bye' }).href);
say('done', '');
process.exit(0);
