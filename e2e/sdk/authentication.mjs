// The authentication client of the npm package auth0, under the alias of a major version that the command line names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims, code, domain, issuer, secret, wrong } from './tenant.mjs';

const alias = process.argv[2];
const { AuthenticationClient, AuthApiError, UserInfoClient } = await import(alias);
const auth0 = new AuthenticationClient({ domain, clientId: 'web', clientSecret: secret });
const userInfo = new UserInfoClient({ domain });
const scope = 'openid profile email phone offline_access';

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

  const { iss, aud, sub } = claims(tokens.id_token);
  assert.deepEqual({ iss, aud }, { iss: issuer, aud: 'web' });
  assert.match(sub, /^email\|[0-9a-f]{24}$/);
  const { data: info } = await userInfo.getUserInfo(tokens.access_token);
  assert.deepEqual([info.sub, info.email, info.email_verified], [sub, email, true]);

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
