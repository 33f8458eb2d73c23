// The management client of the npm package auth0, under the alias of a major version that the command line names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claims, code, domain, secret, wrong } from './tenant.mjs';

const alias = process.argv[2];
const { connect, fault } = await import(`./management-${alias.replace('auth0-', '')}.mjs`);
const { AuthenticationClient, AuthApiError } = await import(alias);
const api = connect({ domain, clientId: 'machine', clientSecret: secret });
const auth0 = new AuthenticationClient({ domain, clientId: 'web', clientSecret: secret });
const numbers = alias === 'auth0-v4' ? '+49151223440' : '+49151223441';

// refused expects an error of the management API.
const refused = (call, statusCode, error) =>
  assert.rejects(call, (e) => {
    const f = fault(e);
    assert.deepEqual([f.statusCode, f.error], [statusCode, error]);
    assert.equal(typeof f.message, 'string');
    return true;
  });

const sent = {}; // messages by address
const start = async (email) => {
  await auth0.passwordless.sendEmail({ email, send: 'code' });
  sent[email] = (sent[email] ?? 0) + 1;
  return code(email, sent[email]);
};
const login = async (email, scope = 'openid email offline_access') =>
  (await auth0.passwordless.loginWithEmail({ email, code: await start(email), scope })).data;

test('users: create, get, search, update, delete', async () => {
  const email = `${alias}-eva@example.com`;
  const user = await api.users.create({
    connection: 'email', email: email.toUpperCase(), email_verified: true, name: 'Eva', user_metadata: { colour: 'red', size: 1 }, app_metadata: { plan: 'free' },
  });
  assert.match(user.user_id, /^email\|[0-9a-f]{24}$/);
  assert.deepEqual([user.email, user.email_verified, user.name], [email, true, 'Eva']);
  assert.deepEqual(user.identities, [{ connection: 'email', provider: 'email', user_id: user.user_id.split('|')[1], isSocial: false }]);
  await refused(api.users.create({ connection: 'email', email }), 409, 'Conflict');
  await refused(api.users.create({ connection: 'carrier-pigeon', email: 'x@example.com' }), 400, 'Bad Request');

  const found = await api.users.search({ q: `email:"${email}"`, search_engine: 'v3' });
  assert.deepEqual([found.total, found.start, found.users.map((u) => u.user_id)], [1, 0, [user.user_id]]);
  assert.deepEqual((await api.users.page({ q: `email:"${email}"`, per_page: 1 })).map((u) => u.email), [email]);
  assert.deepEqual((await api.users.byEmail(email)).map((u) => u.user_id), [user.user_id]);
  assert.deepEqual(await api.users.byEmail(`nobody-${email}`), []);

  const changed = await api.users.update(user.user_id, { user_metadata: { colour: 'blue', size: null }, name: 'Eva E.' });
  assert.deepEqual([changed.user_metadata, changed.app_metadata, changed.name], [{ colour: 'blue' }, { plan: 'free' }, 'Eva E.']);
  const moved = `${alias}-eve@example.com`;
  await api.users.update(user.user_id, { email: moved, email_verified: true });
  assert.equal(claims((await login(moved)).id_token).sub, user.user_id);

  await api.users.delete(user.user_id);
  await refused(api.users.get(user.user_id), 404, 'Not Found');
  await api.users.delete(user.user_id);
});

test('users with a phone number', async () => {
  const user = await api.users.create({ connection: 'sms', phone_number: `${numbers}1`, phone_verified: true });
  assert.match(user.user_id, /^sms\|[0-9a-f]{24}$/);
  const found = await api.users.search({ q: `phone_number:"${numbers}1"` });
  assert.deepEqual(found.users.map((u) => [u.user_id, u.phone_number, u.phone_verified]), [[user.user_id, `${numbers}1`, true]]);
});

test('link and unlink', async () => {
  const email = `${alias}-finn@example.com`;
  const primary = await api.users.create({ connection: 'sms', phone_number: `${numbers}2`, phone_verified: true });
  const secondary = claims((await login(email)).id_token).sub;
  const [provider, id] = secondary.split('|');
  const identities = await api.users.link(primary.user_id, { provider, user_id: id });
  assert.deepEqual(identities.map((i) => [i.provider, i.user_id]), [['sms', primary.user_id.split('|')[1]], ['email', id]]);
  assert.equal(identities[1].profileData.email, email);
  await refused(api.users.get(secondary), 404, 'Not Found');
  assert.equal(claims((await login(email)).id_token).sub, primary.user_id);

  const left = await api.users.unlink(primary.user_id, provider, id);
  assert.deepEqual(left.map((i) => i.provider), ['sms']);
  assert.equal((await api.users.get(secondary)).email, email);
  assert.equal(claims((await login(email)).id_token).sub, secondary);
});

test('block and unblock', async () => {
  const email = `${alias}-gus@example.com`;
  const tokens = await login(email);
  const { sub } = claims(tokens.id_token);
  assert.equal((await api.users.update(sub, { blocked: true })).blocked, true);
  await assert.rejects(auth0.oauth.refreshTokenGrant({ refresh_token: tokens.refresh_token }), (e) => e instanceof AuthApiError);
  await auth0.passwordless.sendEmail({ email, send: 'code' }); // answers as ever, and sends nothing
  await api.users.update(sub, { blocked: false });
  assert.equal(claims((await login(email)).id_token).sub, sub);
});

test('user blocks and blocked addresses', async () => {
  const email = `${alias}-hal@example.com`;
  const { sub } = claims((await login(email)).id_token);
  assert.deepEqual(await api.blocks.get(sub), []);
  // Ten wrong codes use the address's budget up.
  for (let left = 10; left > 0; ) {
    const right = await start(email);
    for (let i = 0; i < 5 && left > 0; i++, left--) {
      await assert.rejects(auth0.passwordless.loginWithEmail({ email, code: wrong(right) }), (e) => e instanceof AuthApiError);
    }
  }
  assert.deepEqual((await api.blocks.get(sub)).map((b) => [b.identifier, b.connection]), [[email, 'email']]);
  assert.equal((await api.blocks.of(email)).length, 1);
  await api.blocks.lift(sub);
  assert.deepEqual(await api.blocks.of(email), []);
  await api.blocks.liftOf(email);
  await refused(api.blocks.address('192.0.2.7'), 404, 'Not Found');
  await api.blocks.liftAddress('192.0.2.7');
});

test('sessions and refresh tokens of a user', async () => {
  const email = `${alias}-ida@example.com`;
  const { id_token, refresh_token } = await login(email);
  const { sub } = claims(id_token);
  const [token] = await api.users.refreshTokens(sub);
  assert.equal((await api.refreshTokens.get(token.id)).user_id, sub);
  await api.refreshTokens.delete(token.id);
  await assert.rejects(auth0.oauth.refreshTokenGrant({ refresh_token }), (e) => e instanceof AuthApiError && e.error === 'invalid_grant');
  for (const session of await api.users.sessions(sub)) {
    assert.equal((await api.sessions.get(session.id)).user_id, sub);
    await api.sessions.delete(session.id);
  }
  assert.deepEqual(await api.users.sessions(sub), []);
});

test('clients', async () => {
  const client = await api.clients.create({
    name: 'Shop', app_type: 'regular_web', callbacks: ['https://shop.example.com/callback'], allowed_logout_urls: ['https://shop.example.com/'],
    grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post',
  });
  assert.ok(client.client_id && client.client_secret);
  assert.deepEqual((await api.clients.get(client.client_id)).callbacks, ['https://shop.example.com/callback']);
  const ids = (await api.clients.list()).map((c) => c.client_id);
  assert.ok(['web', 'spa', 'machine', client.client_id].every((id) => ids.includes(id)), ids.join());
  assert.equal((await api.clients.update(client.client_id, { name: 'Shop 2' })).name, 'Shop 2');
  assert.notEqual((await api.clients.rotate(client.client_id)).client_secret, client.client_secret);
  await refused(api.clients.update('web', { name: 'Somebody else' }), 409, 'Conflict'); // the configuration file owns it
  await api.clients.delete(client.client_id);
  await refused(api.clients.get(client.client_id), 404, 'Not Found');
});

test('connections', async () => {
  const [email] = await api.connections.list({ strategy: ['email'] });
  assert.deepEqual([email.name, email.strategy], ['email', 'email']);
  assert.deepEqual((await api.connections.list({ name: 'sms' })).map((c) => c.strategy), ['sms']);
  const length = alias === 'auth0-v4' ? 8 : 6;
  const totp = { length, time_step: 300 };
  assert.deepEqual((await api.connections.update(email.id, { options: { totp } })).options.totp, totp);
  assert.deepEqual((await api.connections.get(email.id)).options.totp, totp);
  assert.ok((await api.connections.clients(email.id)).some((c) => c.client_id === 'web'));
});

test('APIs and client grants', async () => {
  const identifier = `https://${alias}.example.com`;
  const made = await api.apis.create({ identifier, name: 'Made', scopes: [{ value: 'read:things', description: 'Read things' }], signing_alg: 'RS256', token_lifetime: 600 });
  assert.equal((await api.apis.get(made.id)).identifier, identifier);
  assert.ok((await api.apis.list()).some((a) => a.identifier === identifier));
  assert.equal((await api.apis.update(made.id, { name: 'Renamed' })).name, 'Renamed');

  const client = await api.clients.create({ name: 'Worker', app_type: 'non_interactive', grant_types: ['client_credentials'] });
  const grant = await api.grants.create({ client_id: client.client_id, audience: identifier, scope: ['read:things'] });
  assert.deepEqual((await api.grants.list({ client_id: client.client_id })).map((g) => [g.id, g.audience]), [[grant.id, identifier]]);
  await api.grants.update(grant.id, { scope: [] });
  await api.grants.delete(grant.id);
  assert.deepEqual(await api.grants.list({ client_id: client.client_id }), []);
  await api.apis.delete(made.id);
  await api.clients.delete(client.client_id);
});

test('logs and stats', async () => {
  const email = `${alias}-jan@example.com`;
  const { sub } = claims((await login(email)).id_token);
  const logs = await api.users.logs(sub);
  assert.ok(logs.some((l) => l.type === 's' && l.client_id === 'web'), JSON.stringify(logs));
  assert.ok((await api.logs.list({ per_page: 5 })).length === 5);
  assert.equal((await api.logs.get(logs[0].log_id)).log_id, logs[0].log_id);
  assert.ok((await api.stats.activeUsers()) > 0);
  const date = (day) => new Date(day).toISOString().slice(0, 10).replaceAll('-', '');
  const days = await api.stats.daily({ from: date(Date.now() - 86400e3), to: date(Date.now()) });
  assert.ok(days.some((day) => day.logins > 0), JSON.stringify(days));
});

test('what it refuses', async () => {
  await refused(connect({ domain, token: 'nonsense' }).users.get('email|0'), 401, 'Unauthorized');
  const { data } = await new AuthenticationClient({ domain, clientId: 'reader', clientSecret: secret }).oauth.clientCredentialsGrant({ audience: `https://${domain}/api/v2/` });
  await refused(connect({ domain, token: data.access_token }).users.delete('email|000000000000000000000000'), 403, 'Forbidden');
});
