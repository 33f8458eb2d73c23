package admin

import (
	"slices"
	"sync/atomic"
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

// tokens are those of the configuration as it was read last.
type tokens struct {
	list atomic.Pointer[[]Token]
	ring *grants.Ring
	now  func() time.Time
}

// find compares with every token, so that the time tells nothing of which it was.
func (ts *tokens) find(raw string) (found Caller, ok bool) {
	for _, t := range *ts.list.Load() {
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

// SetTokens puts other static tokens in place of those that there are: from now on the old ones open nothing.
func (a *API) SetTokens(tokens []Token) { a.tokens.list.Store(&tokens) }

// TokenHolder is who holds a static token that is good for a scope.
func (a *API) TokenHolder(raw, scope string) (Caller, bool) {
	caller, ok := a.tokens.find(raw)
	return caller, ok && caller.can([]string{scope})
}

// HasToken tells whether there is a static token that is good for a scope.
func (a *API) HasToken(scope string) bool {
	return slices.ContainsFunc(*a.tokens.list.Load(), func(t Token) bool { return t.good(scope, a.cfg.Now()) })
}

// good tells whether the token is good for a scope at a time.
func (t Token) good(scope string, at time.Time) bool {
	return (t.Expires.IsZero() || at.Before(t.Expires)) && (slices.Contains(t.Scopes, "*") || slices.Contains(t.Scopes, scope))
}
