// Package grants is passwordless login as OAuth 2.0 grants: one-time codes by e-mail or SMS and magic links.
//
// It owns challenges, their codes and links, the budgets that bound guessing, and the handler for the passwordless
// grant types at the token endpoint. It decides; a [Store] executes, with a few coarse transactions. It never talks
// SQL, never sends a message, never signs a token and never sees a cookie.
//
// A login runs through it like this: [Engine.Start] opens a challenge and its message in one transaction and hands
// the message to a [Sender]; the sender derives code and link with [Ring.Code] and [Ring.LinkToken]; a right
// [Engine.Redeem] spends the challenge, finds or creates the user and runs the caller's work in one transaction.
// [Handler] does the last step for the token endpoint of any github.com/zitadel/oidc provider.
//
// Codes and links are derived from the [Ring] and a random seed, never stored: a stolen database opens nothing, nor
// does a stolen key, and asking again sends the same code.
package grants
