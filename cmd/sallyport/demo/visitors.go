package demo

import (
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "sallyport_demo"
	maxVisitors = 1000
	maxLogins   = 10 // of one visitor at once, in several tabs
	loginTime   = 15 * time.Minute
)

// visitors are the browsers that came by, in memory, by their cookie.
type visitors struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]*visitor
}

type visitor struct {
	seen   time.Time
	logins []login // under way
	tokens *tokens // nil: not signed in
}

// login is one way to the provider and back.
type login struct {
	state, nonce, verifier string
	at                     time.Time
}

// begin notes a login of this browser, which gets a cookie if it has none.
func (vs *visitors) begin(w http.ResponseWriter, r *http.Request, l login) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.find(r)
	if v == nil {
		v = vs.add(w)
	}
	v.logins = append(v.logins, l)
	if len(v.logins) > maxLogins {
		v.logins = v.logins[1:]
	}
}

// finish takes the login that a state belongs to. It works once, and only for the browser that began.
func (vs *visitors) finish(r *http.Request, state string) (login, bool) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.find(r)
	if v == nil {
		return login{}, false
	}
	for i, l := range v.logins {
		if l.state == state {
			v.logins = append(v.logins[:i:i], v.logins[i+1:]...)
			return l, vs.now().Sub(l.at) < loginTime
		}
	}
	return login{}, false
}

// signIn keeps the tokens under a new cookie, so that a cookie from before the login is worth nothing.
func (vs *visitors) signIn(w http.ResponseWriter, r *http.Request, t *tokens) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.remove(r)
	vs.add(w).tokens = t
}

func (vs *visitors) replace(r *http.Request, t *tokens) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.find(r); v != nil {
		v.tokens = t
	}
}

func (vs *visitors) signOut(w http.ResponseWriter, r *http.Request) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.remove(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // http on loopback
}

// tokens of this browser, nil when nobody is signed in.
func (vs *visitors) tokens(r *http.Request) *tokens {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.find(r); v != nil {
		return v.tokens
	}
	return nil
}

func (vs *visitors) find(r *http.Request) *visitor {
	c, err := r.Cookie(cookieName)
	if err != nil || vs.byID[c.Value] == nil {
		return nil
	}
	v := vs.byID[c.Value]
	v.seen = vs.now()
	return v
}

func (vs *visitors) remove(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		delete(vs.byID, c.Value)
	}
}

// add makes a visitor, and forgets the one seen longest ago when there are too many.
func (vs *visitors) add(w http.ResponseWriter) *visitor {
	if len(vs.byID) >= maxVisitors {
		oldest := ""
		for id, v := range vs.byID {
			if oldest == "" || v.seen.Before(vs.byID[oldest].seen) {
				oldest = id
			}
		}
		delete(vs.byID, oldest)
	}
	id := random()
	v := &visitor{seen: vs.now()}
	vs.byID[id] = v
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // http on loopback
	return v
}
