package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// Prefix is the path under which the API is mounted.
const Prefix = "/api/v2/"

// Audience is that of the API's access tokens: the issuer without a trailing slash and [Prefix].
func Audience(issuer string) string { return strings.TrimSuffix(issuer, "/") + Prefix }

// Config is what the API works with. All fields without a remark are needed.
type Config struct {
	Issuer string
	Store  *storage.Store
	Ring   *grants.Ring
	Engine *grants.Engine
	Now    func() time.Time
	Log    *slog.Logger

	Tokens []Token // none; see [API.SetTokens]
	// AccessToken tells who holds an access token that is live, for the API's audience and not a user's. ErrBadToken.
	AccessToken func(ctx context.Context, raw string) (Caller, error)
	// IDTokenSubject is the user of an ID token that we gave to an enabled client and that is not over. ErrBadToken.
	IDTokenSubject func(ctx context.Context, raw string) (string, error)
	// CheckClient and CheckAPI tell what is wrong with a client, beside its grants for APIs, or an API, in words for
	// whoever sent it.
	CheckClient func(storage.Client) error
	CheckAPI    func(storage.API) error

	Defaults    TokenDefaults
	Connections map[string]Connection // those that have a transport, by name: email, sms
	Countries   []string              // whose numbers are texted; none
	AllowIPs    []netip.Prefix        // networks that no limit counts; none
}

// Connection is what the deployment says of a connection. What the API stores of it is laid over this.
type Connection struct {
	SignupClosed bool
	CodeLength   int
	Lifetime     time.Duration
}

// Caller is who asks: a client or the holder of a static token.
type Caller struct {
	Name     string // for the audit log
	ClientID string // empty for a static token
	Scopes   []string
}

// can tells whether the caller has one of some scopes.
func (c Caller) can(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.Scopes, s) })
}

// ErrBadToken says that a token opens nothing here, whatever the reason.
var ErrBadToken = errors.New("not a valid token")

// API is the management API, an http.Handler for everything under [Prefix].
type API struct {
	cfg    Config
	tokens tokens
	mux    *http.ServeMux
}

// New makes the API.
func New(cfg Config) *API {
	a := &API{cfg: cfg, tokens: tokens{ring: cfg.Ring, now: cfg.Now}}
	a.SetTokens(cfg.Tokens)
	a.mux = a.routes()
	return a
}

// Refuse answers an error that a request met before it came here, in the shape of all others.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	a.refuse(w, r, Caller{}, err)
}

// ServeHTTP implements http.Handler. Nobody learns anything without a token, not even which paths there are.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := a.authenticate(r)
	if err != nil {
		a.refuse(w, r, Caller{}, err)
		return
	}
	if web.Malformed(r.URL.Path) { // no id has such, and no event could tell of it
		a.refuse(w, r, caller, fail(http.StatusBadRequest, codeURI, "Path validation error: 'It has characters that are not allowed'."))
		return
	}
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
}

type callerKey struct{}

// authenticate reads the one bearer token of a request, from its header and nowhere else.
func (a *API) authenticate(r *http.Request) (Caller, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return Caller{}, unauthorized("Missing authentication")
	}
	scheme, raw, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return Caller{}, unauthorized("Bad HTTP authentication header format")
	}
	if caller, ok := a.tokens.find(raw); ok {
		return caller, nil
	}
	caller, err := a.cfg.AccessToken(r.Context(), raw)
	if errors.Is(err, ErrBadToken) {
		return Caller{}, unauthorized("Invalid token")
	}
	return caller, err
}

// reply is what a handler answers: a status, 200 when zero, and a body, none when nil.
type reply struct {
	status int
	body   any
}

// call is one request of a caller who may make it.
type call struct {
	*http.Request
	caller Caller
	about  string // the user that it changed, for the audit log
	body   any    // of a route that takes one, as it was sent
}

// handle makes a handler of a route: it asks for a scope, reads the body, runs the function and writes what it gives. What
// can change something runs in one transaction, in which the audit event is written too; where the database asks for it,
// the function runs again from its start.
func (a *API) handle(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := r.Context().Value(callerKey{}).(Caller)
		answer, err := a.run(r, caller, rt)
		if err != nil {
			a.refuse(w, r, caller, err)
			return
		}
		if answer.status == 0 {
			answer.status = http.StatusOK
		}
		if answer.body == nil {
			w.WriteHeader(answer.status)
			return
		}
		web.WriteJSON(w, answer.status, answer.body)
	})
}

func (a *API) run(r *http.Request, caller Caller, rt route) (answer reply, err error) {
	if !caller.can(rt.scopes) {
		return reply{}, insufficient(rt.scopes)
	}
	c := call{Request: r, caller: caller}
	if rt.body {
		if c.body, err = web.JSON(r); err != nil {
			return reply{}, err
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return rt.do(a, r.Context(), &c)
	}
	err = a.cfg.Store.Tx(r.Context(), func(ctx context.Context) error {
		c := c
		if answer, err = rt.do(a, ctx, &c); err != nil {
			return err
		}
		e := a.event(&c, EventOperation)
		e.UserID, e.Detail = c.about, web.Clip("by "+caller.Name+": "+rt.method+" "+r.URL.EscapedPath()) // the name first: it is never cut off
		return a.cfg.Store.Append(ctx, e)
	})
	return answer, err
}

// EventOperation is the type of the event that every change through the API writes, beside the events of what it changed.
const EventOperation = "api.operation"

// event is an audit event of a call.
func (a *API) event(c *call, kind string) grants.Event {
	info := web.From(c.Context())
	return grants.Event{Type: kind, Time: a.cfg.Now(), ClientID: c.caller.ClientID, IP: info.Host(), RequestID: info.ID, Detail: "by " + c.caller.Name}
}
