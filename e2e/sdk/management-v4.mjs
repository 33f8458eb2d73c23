// The management client of auth0 4, by the names that management.mjs uses.
import { ManagementApiError, ManagementClient } from 'auth0-v4';

export const connect = (options) => {
  const m = new ManagementClient({ ...options, retry: { enabled: false } });
  const data = async (call) => (await call).data;
  return {
    users: {
      create: (user) => data(m.users.create(user)),
      get: (id) => data(m.users.get({ id })),
      search: (query) => data(m.users.getAll({ ...query, include_totals: true })),
      page: (query) => data(m.users.getAll(query)),
      byEmail: (email) => data(m.usersByEmail.getByEmail({ email })),
      update: (id, change) => data(m.users.update({ id }, change)),
      delete: (id) => data(m.users.delete({ id })),
      link: (id, secondary) => data(m.users.link({ id }, secondary)),
      unlink: (id, provider, user_id) => data(m.users.unlink({ id, provider, user_id })),
      logs: (id) => data(m.users.getLogs({ id })),
      sessions: async (id) => (await data(m.users.getSessions({ user_id: id }))).sessions,
      refreshTokens: async (id) => (await data(m.users.getRefreshTokens({ user_id: id }))).tokens,
    },
    blocks: {
      get: async (id) => (await data(m.userBlocks.get({ id }))).blocked_for,
      of: async (identifier) => (await data(m.userBlocks.getAll({ identifier }))).blocked_for,
      lift: (id) => data(m.userBlocks.delete({ id })),
      liftOf: (identifier) => data(m.userBlocks.deleteAll({ identifier })),
      address: (id) => data(m.anomaly.checkIfIpIsBlocked({ id })),
      liftAddress: (id) => data(m.anomaly.deleteBlockedIp({ id })),
    },
    sessions: { get: (id) => data(m.sessions.get({ id })), delete: (id) => data(m.sessions.delete({ id })) },
    refreshTokens: { get: (id) => data(m.refreshTokens.get({ id })), delete: (id) => data(m.refreshTokens.delete({ id })) },
    clients: {
      create: (client) => data(m.clients.create(client)),
      get: (client_id) => data(m.clients.get({ client_id })),
      list: () => data(m.clients.getAll({ per_page: 100 })),
      update: (client_id, change) => data(m.clients.update({ client_id }, change)),
      rotate: (client_id) => data(m.clients.rotateClientSecret({ client_id })),
      delete: (client_id) => data(m.clients.delete({ client_id })),
    },
    connections: {
      list: (query) => data(m.connections.getAll(query)),
      get: (id) => data(m.connections.get({ id })),
      update: (id, change) => data(m.connections.update({ id }, change)),
      clients: async (id) => (await data(m.connections.getEnabledClients({ id }))).clients,
    },
    grants: {
      create: (grant) => data(m.clientGrants.create(grant)),
      list: (query) => data(m.clientGrants.getAll(query)),
      update: (id, change) => data(m.clientGrants.update({ id }, change)),
      delete: (id) => data(m.clientGrants.delete({ id })),
    },
    apis: {
      create: (api) => data(m.resourceServers.create(api)),
      get: (id) => data(m.resourceServers.get({ id })),
      list: () => data(m.resourceServers.getAll()),
      update: (id, change) => data(m.resourceServers.update({ id }, change)),
      delete: (id) => data(m.resourceServers.delete({ id })),
    },
    logs: {
      list: (query) => data(m.logs.getAll(query)),
      get: (id) => data(m.logs.get({ id })),
    },
    stats: {
      activeUsers: () => data(m.stats.getActiveUsersCount()),
      daily: (query) => data(m.stats.getDaily(query)),
    },
  };
};

// fault is an error of the SDK as status, error, code and message.
export const fault = (e) => {
  if (!(e instanceof ManagementApiError)) throw e;
  return { statusCode: e.statusCode, error: e.error, errorCode: e.errorCode, message: e.message };
};
