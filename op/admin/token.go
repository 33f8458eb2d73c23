package admin

import (
	"slices"
	"time"

	"sallyport/grants"
)

// Token is a static token of the configuration file.
type Token struct {
	Name    string
	Hash    string   // as of a client's secret: "hmac:<key id>:<hex>" or "sha256:<hex>"
	Scopes  []string // "*" stands for all
	Expires time.Time
}

type tokens struct {
	list []Token
	ring *grants.Ring
	now  func() time.Time
}

// find compares with every token, so that the time tells nothing of which it was.
func (ts tokens) find(raw string) (found Caller, ok bool) {
	for _, t := range ts.list {
		right := ts.ring.VerifySecret(t.Hash, raw)
		if !right || !t.Expires.IsZero() && !ts.now().Before(t.Expires) {
			continue
		}
		found, ok = Caller{Name: "token " + t.Name, Scopes: t.Scopes}, true
		if slices.Contains(t.Scopes, "*") {
			found.Scopes = Scopes()
		}
	}
	return found, ok
}

// TokenHolder is who holds a static token that is good for a scope.
func (a *API) TokenHolder(raw, scope string) (Caller, bool) {
	caller, ok := a.tokens.find(raw)
	return caller, ok && caller.can([]string{scope})
}

// HasToken tells whether there is a static token that is good for a scope.
func (a *API) HasToken(scope string) bool {
	return slices.ContainsFunc(a.cfg.Tokens, func(t Token) bool { return t.Good(scope, a.cfg.Now()) })
}

// Good tells whether the token is good for a scope at a time.
func (t Token) Good(scope string, at time.Time) bool {
	return (t.Expires.IsZero() || at.Before(t.Expires)) && (slices.Contains(t.Scopes, "*") || slices.Contains(t.Scopes, scope))
}
