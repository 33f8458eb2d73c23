// The management client of auth0 6, by the names that management.mjs uses.
import { ManagementClient, ManagementError } from 'auth0-v6';

export const connect = (options) => {
  const m = new ManagementClient({ ...options, maxRetries: 0 });
  const items = async (page) => (await page).data;
  return {
    users: {
      create: (user) => m.users.create(user),
      get: (id) => m.users.get(id),
      search: async (query) => (await m.users.list(query)).response,
      page: (query) => items(m.users.list(query)),
      byEmail: (email) => m.users.listUsersByEmail({ email }),
      update: (id, change) => m.users.update(id, change),
      delete: (id) => m.users.delete(id),
      link: (id, secondary) => m.users.identities.link(id, secondary),
      unlink: (id, provider, userID) => m.users.identities.delete(id, provider, userID),
      logs: (id) => items(m.users.logs.list(id)),
      sessions: (id) => items(m.users.sessions.list(id)),
      refreshTokens: (id) => items(m.users.refreshToken.list(id)),
    },
    blocks: {
      get: async (id) => (await m.userBlocks.list(id)).blocked_for,
      of: async (identifier) => (await m.userBlocks.listByIdentifier({ identifier })).blocked_for,
      lift: (id) => m.userBlocks.delete(id),
      liftOf: (identifier) => m.userBlocks.deleteByIdentifier({ identifier }),
      address: (id) => m.anomaly.blocks.checkIp(id),
      liftAddress: (id) => m.anomaly.blocks.unblockIp(id),
    },
    sessions: { get: (id) => m.sessions.get(id), delete: (id) => m.sessions.delete(id) },
    refreshTokens: { get: (id) => m.refreshTokens.get(id), delete: (id) => m.refreshTokens.delete(id) },
    clients: {
      create: (client) => m.clients.create(client),
      get: (id) => m.clients.get(id),
      list: () => items(m.clients.list({ per_page: 100 })),
      update: (id, change) => m.clients.update(id, change),
      rotate: (id) => m.clients.rotateSecret(id),
      delete: (id) => m.clients.delete(id),
    },
    connections: {
      list: (query) => items(m.connections.list(query)),
      get: (id) => m.connections.get(id),
      update: (id, change) => m.connections.update(id, change),
      clients: (id) => items(m.connections.clients.get(id)),
    },
    grants: {
      create: (grant) => m.clientGrants.create(grant),
      list: (query) => items(m.clientGrants.list(query)),
      update: (id, change) => m.clientGrants.update(id, change),
      delete: (id) => m.clientGrants.delete(id),
    },
    apis: {
      create: (api) => m.resourceServers.create(api),
      get: (id) => m.resourceServers.get(id),
      list: () => items(m.resourceServers.list()),
      update: (id, change) => m.resourceServers.update(id, change),
      delete: (id) => m.resourceServers.delete(id),
    },
    logs: {
      list: (query) => items(m.logs.list(query)),
      get: (id) => m.logs.get(id),
    },
    stats: {
      activeUsers: () => m.stats.getActiveUsersCount(),
      daily: (query) => m.stats.getDaily(query),
    },
  };
};

// fault is an error of the SDK as status, error, code and message.
export const fault = (e) => {
  if (!(e instanceof ManagementError)) throw e;
  const { statusCode, error, errorCode, message } = e.body ?? {};
  if (statusCode !== e.statusCode) throw e;
  return { statusCode, error, errorCode, message };
};
