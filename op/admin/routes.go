package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"sallyport/op/web"
)

// route is a method and a path, what opens it, and what it does.
type route struct {
	method, path string
	scopes       []string // the caller needs one of them
	body         bool     // the request has a body of JSON
	do           func(*API, context.Context, *call) (reply, error)
}

func anyOf(scopes ...string) []string { return scopes }

// table is the one list of routes: what is not here is not there.
var table = []route{
	{"GET", "users", anyOf(readUsers), false, (*API).listUsers},
	{"POST", "users", anyOf(createUsers), true, (*API).createUser},
	{"GET", "users-by-email", anyOf(readUsers), false, (*API).usersByEmail},
	{"GET", "users/{id}", anyOf(readUsers), false, (*API).readUser},
	{"PATCH", "users/{id}", anyOf(updateUsers, updateUsersMetadata), true, (*API).updateUser},
	{"DELETE", "users/{id}", anyOf(deleteUsers), false, (*API).deleteUser},
	{"POST", "users/{id}/identities", anyOf(updateUsers), true, (*API).linkIdentity},
	{"DELETE", "users/{id}/identities/{provider}/{identity}", anyOf(updateUsers), false, (*API).unlinkIdentity},
	{"GET", "users/{id}/logs", anyOf(readLogs, readUserLogs), false, (*API).userLogs},
	{"GET", "users/{id}/sessions", anyOf(readSessions), false, (*API).userSessions},
	{"DELETE", "users/{id}/sessions", anyOf(deleteSessions), false, (*API).endUserSessions},
	{"GET", "users/{id}/refresh-tokens", anyOf(readRefreshTokens), false, (*API).userRefreshTokens},
	{"DELETE", "users/{id}/refresh-tokens", anyOf(deleteRefreshTokens), false, (*API).endUserRefreshTokens},

	{"GET", "sessions/{id}", anyOf(readSessions), false, (*API).readSession},
	{"DELETE", "sessions/{id}", anyOf(deleteSessions), false, (*API).endSession},
	{"POST", "sessions/{id}/revoke", anyOf(deleteSessions), false, (*API).revokeSession},
	{"GET", "refresh-tokens/{id}", anyOf(readRefreshTokens), false, (*API).readRefreshToken},
	{"DELETE", "refresh-tokens/{id}", anyOf(deleteRefreshTokens), false, (*API).endRefreshToken},

	{"GET", "user-blocks", anyOf(readUsers), false, (*API).identifierBlocks},
	{"DELETE", "user-blocks", anyOf(updateUsers), false, (*API).liftIdentifierBlocks},
	{"GET", "user-blocks/{id}", anyOf(readUsers), false, (*API).userBlocks},
	{"DELETE", "user-blocks/{id}", anyOf(updateUsers), false, (*API).liftUserBlocks},

	{"GET", "anomaly/explain", anyOf(readBlockedIPs), false, (*API).explain},
	{"GET", "anomaly/blocks/ips", anyOf(readBlockedIPs), false, (*API).blockedIPs},
	{"GET", "anomaly/blocks/ips/{ip}", anyOf(readBlockedIPs), false, (*API).ipBlock},
	{"DELETE", "anomaly/blocks/ips/{ip}", anyOf(deleteBlockedIPs), false, (*API).liftIPBlock},

	{"GET", "logs", anyOf(readLogs), false, (*API).listLogs},
	{"GET", "logs/{id}", anyOf(readLogs), false, (*API).readLog},
	{"GET", "stats/active-users", anyOf(readStats), false, (*API).activeUsers},
	{"GET", "stats/daily", anyOf(readStats), false, (*API).dailyStats},

	{"GET", "clients", anyOf(readClients), false, (*API).listClients},
	{"POST", "clients", anyOf(createClients), true, (*API).createClient},
	{"GET", "clients/{id}", anyOf(readClients), false, (*API).readClient},
	{"PATCH", "clients/{id}", anyOf(updateClients), true, (*API).updateClient},
	{"DELETE", "clients/{id}", anyOf(deleteClients), false, (*API).deleteClient},
	{"POST", "clients/{id}/rotate-secret", anyOf(updateClientKeys), false, (*API).rotateSecret},

	{"GET", "connections", anyOf(readConnections), false, (*API).listConnections},
	{"POST", "connections", anyOf(createConnections), true, (*API).createConnection},
	{"GET", "connections/{id}", anyOf(readConnections), false, (*API).readConnection},
	{"PATCH", "connections/{id}", anyOf(updateConnections), true, (*API).updateConnection},
	{"DELETE", "connections/{id}", anyOf(deleteConnections), false, (*API).deleteConnection},
	{"GET", "connections/{id}/clients", anyOf(readConnections), false, (*API).connectionClients},
	{"PATCH", "connections/{id}/clients", anyOf(updateConnections), true, (*API).changeConnectionClients},

	{"GET", "client-grants", anyOf(readClientGrants), false, (*API).listGrants},
	{"POST", "client-grants", anyOf(createClientGrants), true, (*API).createGrant},
	{"GET", "client-grants/{id}", anyOf(readClientGrants), false, (*API).readGrant},
	{"PATCH", "client-grants/{id}", anyOf(updateClientGrants), true, (*API).updateGrant},
	{"DELETE", "client-grants/{id}", anyOf(deleteClientGrants), false, (*API).deleteGrant},

	{"GET", "resource-servers", anyOf(readResourceServers), false, (*API).listResourceServers},
	{"POST", "resource-servers", anyOf(createResourceServers), true, (*API).createResourceServer},
	{"GET", "resource-servers/{id}", anyOf(readResourceServers), false, (*API).readResourceServer},
	{"PATCH", "resource-servers/{id}", anyOf(updateResourceServers), true, (*API).updateResourceServer},
	{"DELETE", "resource-servers/{id}", anyOf(deleteResourceServers), false, (*API).deleteResourceServer},
}

// routes makes the mux of the table. Errors of routing have the API's shape too.
func (a *API) routes() *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, rt := range table {
		mux.Handle(rt.method+" "+Prefix+rt.path, a.handle(rt))
		methods[rt.path] = append(methods[rt.path], rt.method)
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		mux.Handle(Prefix+path, a.always(fail(http.StatusMethodNotAllowed, "", "Method Not Allowed"), strings.Join(allowed, ", ")))
	}
	mux.Handle("/", a.always(fail(http.StatusNotFound, "", "Not Found"), ""))
	return mux
}

func (a *API) always(f *web.Fault, allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allow != "" {
			w.Header().Set("Allow", allow)
		}
		a.refuse(w, r, Caller{}, f)
	})
}
