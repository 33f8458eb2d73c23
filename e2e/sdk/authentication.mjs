// The authentication client of the npm package auth0, under the alias of a major version that the command line names.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { app, claims, code, domain, issuer, secret, signerKey, visit, wrong } from './tenant.mjs';

const alias = process.argv[2];
const { AuthenticationClient, AuthApiError, UserInfoClient } = await import(alias);
const auth0 = new AuthenticationClient({ domain, clientId: 'web', clientSecret: secret });
const userInfo = new UserInfoClient({ domain });
const scope = 'openid profile email phone offline_access';
const callback = `${app}/callback`;

// refused expects the SDK's own error.
const refused = (call, want) =>
  assert.rejects(call, (e) => {
    assert.ok(e instanceof AuthApiError, `${e.name}: ${e.message}`);
    const { statusCode, error, error_description } = e;
    assert.deepEqual({ statusCode, error, error_description }, want);
    return true;
  });

const wrongEmailCode = { statusCode: 403, error: 'invalid_grant', error_description: 'Wrong email or verification code.' };

test('e-mail: start, login, userinfo, refresh, revoke', async () => {
  const email = `${alias}-ada@example.com`;
  await auth0.passwordless.sendEmail({ email, send: 'code' });
  const { data: tokens } = await auth0.passwordless.loginWithEmail({ email, code: await code(email), scope });
  assert.equal(tokens.token_type, 'Bearer');
  assert.ok(tokens.expires_in > 0);

  const { iss, aud, sub, nickname, name } = claims(tokens.id_token);
  assert.deepEqual({ iss, aud, nickname, name }, { iss: issuer, aud: 'web', nickname: `${alias}-ada`, name: email });
  assert.match(sub, /^email\|[0-9a-f]{24}$/);
  const { data: info } = await userInfo.getUserInfo(tokens.access_token);
  assert.deepEqual([info.sub, info.email, info.email_verified, info.name], [sub, email, true, email]);

  const { data: refreshed } = await auth0.oauth.refreshTokenGrant({ refresh_token: tokens.refresh_token });
  assert.equal(claims(refreshed.id_token).sub, sub);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  await auth0.oauth.revokeRefreshToken({ token: refreshed.refresh_token });
  await assert.rejects(auth0.oauth.refreshTokenGrant({ refresh_token: refreshed.refresh_token }), (e) => e instanceof AuthApiError && e.error === 'invalid_grant');
  await assert.rejects(userInfo.getUserInfo(refreshed.access_token), { name: 'UserInfoError', statusCode: 401 });
});

test('SMS: start, login, an API, refresh', async () => {
  const phone_number = alias === 'auth0-v4' ? '+4915112345001' : '+4915112345002';
  await auth0.passwordless.sendSMS({ phone_number });
  const audience = 'https://api.example.com';
  const { data: tokens } = await auth0.passwordless.loginWithSMS({
    phone_number, code: await code(phone_number), audience, scope: `${scope} read:orders`,
  });
  assert.match(claims(tokens.id_token).sub, /^sms\|[0-9a-f]{24}$/);
  const access = claims(tokens.access_token);
  assert.ok([access.aud].flat().includes(audience));
  assert.ok(access.scope.split(' ').includes('read:orders'));
  const { data: refreshed } = await auth0.oauth.refreshTokenGrant({ refresh_token: tokens.refresh_token });
  assert.equal(claims(refreshed.access_token).sub, access.sub);
});

test('wrong code, right code, and the same code again', async () => {
  const email = `${alias}-bob@example.com`;
  await auth0.passwordless.sendEmail({ email, send: 'code' });
  const right = await code(email);
  await refused(auth0.passwordless.loginWithEmail({ email, code: wrong(right) }), wrongEmailCode);
  const { data } = await auth0.passwordless.loginWithEmail({ email, code: right, scope: 'openid' });
  assert.ok(data.id_token);
  await refused(auth0.passwordless.loginWithEmail({ email, code: right }), wrongEmailCode);

  const phone_number = alias === 'auth0-v4' ? '+4915112345003' : '+4915112345004';
  await auth0.passwordless.sendSMS({ phone_number });
  await refused(auth0.passwordless.loginWithSMS({ phone_number, code: wrong(await code(phone_number)) }), {
    statusCode: 403, error: 'invalid_grant', error_description: 'Wrong phone number or verification code.',
  });
});

test('what start refuses', async () => {
  await refused(auth0.passwordless.sendSMS({ phone_number: '12345' }), {
    statusCode: 400, error: 'bad.phone_number', error_description: String.raw`String does not match pattern: ^\+[0-9]{1,15}$`,
  });
  const impostor = new AuthenticationClient({ domain, clientId: 'web', clientSecret: 'another-secret' });
  await assert.rejects(impostor.passwordless.sendEmail({ email: 'eve@example.com', send: 'code' }), (e) => e instanceof AuthApiError && [401, 403].includes(e.statusCode));
});

test('authorization code, with PKCE through a pushed request and without', async () => {
  const email = `${alias}-cas@example.com`;
  const plain = `${issuer}authorize?` + new URLSearchParams({
    client_id: 'web', response_type: 'code', redirect_uri: callback, scope, state: 's', connection: 'email', audience: 'https://api.example.com',
  });
  const first = await visit(plain, email);
  assert.equal(first.searchParams.get('state'), 's');
  const { data: tokens } = await auth0.oauth.authorizationCodeGrant({ code: first.searchParams.get('code'), redirect_uri: callback });
  assert.ok(tokens.refresh_token);

  const verifier = randomBytes(32).toString('base64url');
  const { data: pushed } = await auth0.oauth.pushedAuthorization({
    client_id: 'web',
    redirect_uri: callback, response_type: 'code', scope, nonce: 'n', state: 't',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const second = await visit(`${issuer}authorize?${new URLSearchParams({ client_id: 'web', request_uri: pushed.request_uri })}`, email);
  assert.equal(second.searchParams.get('state'), 't');
  const { data: again } = await auth0.oauth.authorizationCodeGrantWithPKCE(
    { code: second.searchParams.get('code'), redirect_uri: callback, code_verifier: verifier }, { idTokenValidateOptions: { nonce: 'n' } });
  assert.equal(claims(again.id_token).sub, claims(tokens.id_token).sub);
  await assert.rejects(auth0.oauth.authorizationCodeGrant({ code: 'never-given', redirect_uri: callback }), (e) => e instanceof AuthApiError && e.error === 'invalid_grant');
});

test('client credentials, with a secret and with a key', async () => {
  const audience = 'https://api.example.com';
  const machine = new AuthenticationClient({ domain, clientId: 'machine', clientSecret: secret });
  const { data } = await machine.oauth.clientCredentialsGrant({ audience });
  assert.equal(claims(data.access_token).azp, 'machine');
  const signer = new AuthenticationClient({ domain, clientId: 'signer', clientAssertionSigningKey: signerKey });
  assert.ok((await signer.oauth.clientCredentialsGrant({ audience })).data.access_token);
  const impostor = new AuthenticationClient({ domain, clientId: 'machine', clientSecret: 'another-secret' });
  await assert.rejects(impostor.oauth.clientCredentialsGrant({ audience }), (e) => e instanceof AuthApiError && e.statusCode === 401);
});

test('a login of an app that proves itself by a key', async () => {
  const email = `${alias}-dan@example.com`;
  const signer = new AuthenticationClient({ domain, clientId: 'signer', clientAssertionSigningKey: signerKey });
  await signer.passwordless.sendEmail({ email, send: 'code' });
  const { data: tokens } = await signer.passwordless.loginWithEmail({ email, code: await code(email), scope });
  assert.equal(claims(tokens.id_token).aud, 'signer');
  await signer.oauth.revokeRefreshToken({ token: tokens.refresh_token });
});
