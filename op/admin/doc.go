// Package admin is the management API under /api/v2, in Auth0's shapes: users, clients, connections, APIs, grants, the
// audit log and what can be ended or lifted by hand.
package admin
