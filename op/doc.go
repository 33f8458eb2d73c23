// Package op is the OpenID Provider: every HTTP route, and one mint for every token.
//
// Own mux outermost. /authorize, the hosted login and logout are handlers of this package; the machine endpoints
// (token, introspection, revocation, userinfo) are parsed and routed by github.com/zitadel/oidc's RegisterServer over
// [server], which implements only what is offered: whatever it leaves out is refused by the library.
//
// A login by browser runs through authorize.go (and redirect.go), login.go, code.go or link.go, respond.go and
// exchange.go; a login by the API through auth0/start.go and passwordless.go, its links through linkapi.go. All end in
// mint.go.
package op
