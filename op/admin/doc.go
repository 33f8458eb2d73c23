// Package admin is the management API under /api/v2, in Auth0's shapes: users, clients, connections, APIs, grants, the
// audit log, and what can be ended or lifted by hand.
//
// A request goes through [API.ServeHTTP]: whoever asks is authenticated before anything else is looked at, the one table of
// routes.go names the handler and the scopes of which the caller needs one, and the handler gives a reply or an error,
// which errors.go writes. A handler that changes something runs in one transaction with its audit event.
package admin
