package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/op/admin"
	"sallyport/op/web"
	"sallyport/storage"
)

const (
	issuer   = "https://login.example.com/"
	root     = "a-static-admin-token-of-32-characters-or-more"
	audience = "https://api.example.com"
)

// api is the real one over a real database, served over real HTTP.
type api struct {
	t     *testing.T
	url   string
	store *storage.Store
	ring  *grants.Ring
	skew  atomic.Int64
	token string // of the calls
}

type nobody struct{}

func (nobody) Deliver(grants.Message) {}

func newAPI(t *testing.T, change ...func(*admin.Config)) *api {
	t.Helper()
	a := &api{t: t, token: root}
	now := func() time.Time {
		return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).Add(time.Duration(a.skew.Load()))
	}
	log := slog.New(slog.DiscardHandler)
	a.ring = must(grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least"))
	a.store = must(storage.Open(t.Context(), storage.Options{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "sallyport.db"), Ring: a.ring, Now: now, Log: log,
	}))
	check(t, a.store.Migrate(t.Context()))
	check(t, a.store.ApplyAPIs(t.Context(), []storage.API{{Audience: audience, Name: "API", Scopes: []string{"read:things"}, Alg: "RS256", TokenLifetime: time.Hour}}))
	check(t, a.store.ApplyClients(t.Context(), 1, []storage.Client{{
		ID: "filed", Name: "Of the file", Type: "web", Secrets: []string{a.ring.HashSecret(root)}, AuthMethods: []string{"client_secret_basic"},
		RedirectURIs: []string{"https://app.example.com/cb"}, GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, Connections: []string{"email"},
	}}))
	site := admin.Connection{CodeLength: 6, Lifetime: 5 * time.Minute}
	cfg := admin.Config{
		Issuer: issuer, Store: a.store, Ring: a.ring, Now: now, Log: log,
		Engine: must(grants.New(grants.Config{Store: a.store, Ring: a.ring, Sender: nobody{}, Limits: grants.DefaultLimits(), Now: now})),
		Tokens: []admin.Token{{Name: "root", Hash: a.ring.HashSecret(root), Scopes: []string{"*"}}},
		AccessToken: func(_ context.Context, raw string) (admin.Caller, error) {
			scope, ok := strings.CutPrefix(raw, "only ")
			if !ok {
				return admin.Caller{}, admin.ErrBadToken
			}
			return admin.Caller{Name: "client machine", ClientID: "machine", Scopes: strings.Fields(scope)}, nil
		},
		IDTokenSubject: func(_ context.Context, raw string) (string, error) {
			sub, ok := strings.CutPrefix(raw, "id token of ")
			if !ok {
				return "", admin.ErrBadToken
			}
			return sub, nil
		},
		CheckClient: func(c storage.Client) (err error) {
			rotation := config.Rotating
			if c.Settings.Refresh.NonRotating {
				rotation = config.NonRotating
			}
			for _, p := range (config.Client{
				ID: c.ID, Name: c.Name, Type: c.Type, Secrets: c.Secrets, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
				WebOrigins: c.WebOrigins, GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes, Connections: c.Connections, AuthMethods: c.AuthMethods,
				IDTokenAlg: c.IDTokenAlg, EmbeddedLinks: "refuse", IDTokenLifetime: c.Settings.IDTokenLifetime,
				Refresh: config.Refresh{Rotation: rotation, Leeway: c.Settings.Refresh.Leeway, Idle: c.Settings.Refresh.Idle, Absolute: c.Settings.Refresh.Absolute},
			}).Check(false, nil) {
				err = errors.Join(err, errors.New(p.String()))
			}
			return err
		},
		CheckAPI: func(api storage.API) (err error) {
			for _, p := range (config.API{Audience: api.Audience, Name: api.Name, Scopes: api.Scopes, Alg: api.Alg, TokenLifetime: api.TokenLifetime}).Check(issuer) {
				err = errors.Join(err, errors.New(p.String()))
			}
			return err
		},
		Connections: map[string]admin.Connection{"email": site, "sms": site},
		Defaults:    admin.TokenDefaults{IDToken: time.Hour, RefreshIdle: 15 * 24 * time.Hour, RefreshAbsolute: 30 * 24 * time.Hour, RefreshLeeway: 10 * time.Second},
	}
	for _, c := range change {
		c(&cfg)
	}
	server := httptest.NewServer(web.Middleware(web.Options{Now: now, Log: log}, admin.New(cfg)))
	a.url = server.URL
	t.Cleanup(func() {
		server.Close()
		check(t, a.store.Close())
	})
	return a
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a response, read.
type answer struct {
	*http.Response
	text string
	t    *testing.T
}

// call sends a body, as JSON unless it is a string, and reads the answer.
func (a *api) call(method, path string, body any) answer {
	a.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		r = strings.NewReader(string(must(json.Marshal(b))))
	}
	req := must(http.NewRequestWithContext(a.t.Context(), method, a.url+"/api/v2/"+path, r))
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.do(req)
}

func (a *api) do(req *http.Request) answer {
	a.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	check(a.t, err)
	defer resp.Body.Close()
	text := string(must(io.ReadAll(resp.Body)))
	return answer{resp, text, a.t}
}

func (a *api) get(path string) answer { return a.call(http.MethodGet, path, nil) }

// as is the same API for somebody with these scopes only.
func (a *api) as(scopes ...string) *api {
	return &api{t: a.t, url: a.url, store: a.store, ring: a.ring, token: "only " + strings.Join(scopes, " ")}
}

type object = map[string]any

// object checks the status and reads an object.
func (an answer) object(status int) object {
	an.t.Helper()
	an.wants(status)
	var o object
	check(an.t, json.Unmarshal([]byte(an.text), &o))
	return o
}

// list checks the status and reads a list of objects.
func (an answer) list(status int) []object {
	an.t.Helper()
	an.wants(status)
	var l []object
	check(an.t, json.Unmarshal([]byte(an.text), &l))
	return l
}

func (an answer) wants(status int) {
	an.t.Helper()
	if an.StatusCode != status {
		an.t.Fatalf("%s %s: %d, want %d: %s", an.Request.Method, an.Request.URL.Path, an.StatusCode, status, an.text)
	}
}

// refused checks the shape of an error, and code and part of the message.
func (an answer) refused(status int, code, message string) {
	an.t.Helper()
	o := an.object(status)
	got, _ := o["errorCode"].(string)
	said, _ := o["message"].(string)
	if o["statusCode"] != float64(status) || o["error"] != http.StatusText(status) || got != code || !strings.Contains(said, message) || said == "" {
		an.t.Errorf("%s %s: %s, want %s %q", an.Request.Method, an.Request.URL.Path, an.text, code, message)
	}
	if an.Header.Get("Content-Type") != "application/json" || an.Header.Get("Cache-Control") != "no-store" {
		an.t.Errorf("headers: %v", an.Header)
	}
}

// types are the types of all audit events, newest first.
func (a *api) types() []string {
	a.t.Helper()
	var out []string
	for _, e := range must(a.store.Events(context.Background(), storage.EventFilter{})) {
		out = append(out, e.Type)
	}
	return out
}

func (a *api) logged(kind string) bool { return slices.Contains(a.types(), kind) }
