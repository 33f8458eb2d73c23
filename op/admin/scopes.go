package admin

// The scopes of the management API, by what they open. They are Auth0's.
const (
	readUsers             = "read:users"
	createUsers           = "create:users"
	updateUsers           = "update:users"
	deleteUsers           = "delete:users"
	readUsersMetadata     = "read:users_app_metadata"
	createUsersMetadata   = "create:users_app_metadata"
	updateUsersMetadata   = "update:users_app_metadata"
	deleteUsersMetadata   = "delete:users_app_metadata"
	readSessions          = "read:sessions"
	deleteSessions        = "delete:sessions"
	readRefreshTokens     = "read:refresh_tokens"
	deleteRefreshTokens   = "delete:refresh_tokens"
	readBlockedIPs        = "read:anomaly_blocks"
	deleteBlockedIPs      = "delete:anomaly_blocks"
	readClients           = "read:clients"
	createClients         = "create:clients"
	updateClients         = "update:clients"
	deleteClients         = "delete:clients"
	readClientKeys        = "read:client_keys"
	updateClientKeys      = "update:client_keys"
	readConnections       = "read:connections"
	createConnections     = "create:connections"
	updateConnections     = "update:connections"
	deleteConnections     = "delete:connections"
	readClientGrants      = "read:client_grants"
	createClientGrants    = "create:client_grants"
	updateClientGrants    = "update:client_grants"
	deleteClientGrants    = "delete:client_grants"
	readResourceServers   = "read:resource_servers"
	createResourceServers = "create:resource_servers"
	updateResourceServers = "update:resource_servers"
	deleteResourceServers = "delete:resource_servers"
	readLogs              = "read:logs"
	readUserLogs          = "read:logs_users"
	readStats             = "read:stats"
)

// ScopeLiftIPBlocks is what a token needs to lift the block of a network.
const ScopeLiftIPBlocks = deleteBlockedIPs

// Scopes are all scopes that the management API knows, the only ones that a client or a token can be given for it.
func Scopes() []string {
	return []string{
		readUsers, createUsers, updateUsers, deleteUsers,
		readUsersMetadata, createUsersMetadata, updateUsersMetadata, deleteUsersMetadata,
		readSessions, deleteSessions, readRefreshTokens, deleteRefreshTokens,
		readBlockedIPs, deleteBlockedIPs,
		readClients, createClients, updateClients, deleteClients, readClientKeys, updateClientKeys,
		readConnections, createConnections, updateConnections, deleteConnections,
		readClientGrants, createClientGrants, updateClientGrants, deleteClientGrants,
		readResourceServers, createResourceServers, updateResourceServers, deleteResourceServers,
		readLogs, readUserLogs, readStats,
	}
}
