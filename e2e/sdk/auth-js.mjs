// @auth0/auth0-auth-js, which Auth0's packages for servers in JavaScript are made of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthClient } from '@auth0/auth0-auth-js';
import { app, code, domain, issuer, secret, signerKey, visit, wrong } from './tenant.mjs';

const callback = `${app}/callback`;
const client = new AuthClient({ domain, clientId: 'web', clientSecret: secret, authorizationParams: { redirect_uri: callback } });
const scope = 'openid profile email offline_access';

test('e-mail: start, wrong code, login, userinfo, refresh, revoke', async () => {
  const email = 'auth-js-ada@example.com';
  await client.passwordless.sendEmail({ email, send: 'code', language: 'de' });
  const right = await code(email);
  await assert.rejects(client.getTokenByPasswordlessEmail({ email, code: wrong(right), scope }), (e) => {
    assert.deepEqual([e.statusCode, e.cause.error, e.cause.error_description], [403, 'invalid_grant', 'Wrong email or verification code.']);
    return true;
  });
  const tokens = await client.getTokenByPasswordlessEmail({ email, code: right, scope });
  assert.equal(tokens.claims.iss, issuer);
  assert.equal((await client.getUserInfo({ accessToken: tokens.accessToken, expectedSubject: tokens.claims.sub })).email, email);
  const refreshed = await client.getTokenByRefreshToken({ refreshToken: tokens.refreshToken });
  assert.notEqual(refreshed.refreshToken, tokens.refreshToken);
  await client.revokeToken({ token: refreshed.refreshToken });
  await assert.rejects(client.getTokenByRefreshToken({ refreshToken: refreshed.refreshToken }), (e) => e.cause.error === 'invalid_grant');
});

test('SMS, with a key instead of a secret', async () => {
  const signer = new AuthClient({ domain, clientId: 'signer', clientAssertionSigningKey: signerKey });
  const phoneNumber = '+4915112345030';
  await signer.passwordless.sendSms({ phoneNumber });
  const tokens = await signer.getTokenByPasswordlessSms({ phoneNumber, code: await code(phoneNumber), scope: 'openid' });
  assert.match(tokens.claims.sub, /^sms\|/);
});

test('authorization code', async () => {
  const { authorizationUrl, codeVerifier } = await client.buildAuthorizationUrl({ authorizationParams: { scope } });
  const tokens = await client.getTokenByCode(await visit(authorizationUrl, 'auth-js-bob@example.com'), { codeVerifier });
  assert.equal(tokens.claims.aud, 'web');
  const { origin, pathname, searchParams } = await client.buildLogoutUrl({ returnTo: `${app}/` });
  assert.deepEqual([`${origin}${pathname}`, searchParams.get('post_logout_redirect_uri')], [`${issuer}oidc/logout`, `${app}/`]);
});
