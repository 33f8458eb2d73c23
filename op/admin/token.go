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
