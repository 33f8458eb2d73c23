// A server with express-openid-connect, at the address and as the client that the environment names.
import express from 'express';
import oidc from 'express-openid-connect';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { domain, secret } from './tenant.mjs';

const { BASE_URL: baseURL, CLIENT_ID: clientID, RESPONSE_TYPE: response_type, CERT: cert, KEY: key } = process.env;
const app = express();
app.use(oidc.auth({
  issuerBaseURL: `https://${domain}`, baseURL, clientID, authRequired: false, auth0Logout: true, secret: 'a secret of the app for its own cookies',
  // Without a response_type it asks for an ID token by form_post, as it does by default.
  ...(response_type && { clientSecret: secret, authorizationParams: { response_type, scope: 'openid profile email offline_access' } }),
}));
app.get('/', async (request, response) => {
  const { user, refreshToken } = request.oidc;
  response.send(`<!doctype html><p id="user">${user?.email ?? 'nobody'}</p><p id="refresh">${Boolean(refreshToken)}</p><a id="logout" href="/logout">Sign out</a>`);
});
createServer({ cert: readFileSync(cert), key: readFileSync(key) }, app).listen(new URL(baseURL).port, '127.0.0.1', () => console.log('ready'));
