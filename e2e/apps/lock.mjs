import { Auth0LockPasswordless } from 'auth0-lock';

window.Auth0LockPasswordless = Auth0LockPasswordless;
