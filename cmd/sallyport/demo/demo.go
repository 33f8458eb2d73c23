// Package demo is a small app that people sign in to: a relying party as anybody would write one, with
// github.com/coreos/go-oidc and golang.org/x/oauth2 and nothing of ours.
//
// It knows only the issuer's URL and its own client id and secret. "Log in" goes through handleLogin, the provider and
// handleCallback to the greeting; the rest is two buttons, refresh and log out. Who is signed in stands in memory: the
// demo forgets everybody when it stops.
package demo

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

//go:embed page.html style.css
var files embed.FS

// Config says who the demo is.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	URL          string // where browsers reach the demo, without a final slash
	Inbox        string // where mails and SMS are shown; empty when they are sent for real
	Now          func() time.Time
	Log          *slog.Logger
}

// RedirectURI is where the provider sends its answers for a demo at a URL.
func RedirectURI(base string) string { return base + "/callback" }

// App is the demo. It is safe for concurrent use.
type App struct {
	cfg  Config
	page *template.Template
	http *http.Client

	visitors visitors

	mu       sync.Mutex
	provider *oidc.Provider // nil until the first visit found it
}

// New parses the page.
func New(cfg Config) (*App, error) {
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the demo's page: %w", err)
	}
	return &App{
		cfg: cfg, page: page, http: &http.Client{Timeout: 10 * time.Second}, visitors: visitors{now: cfg.Now, byID: map[string]*visitor{}},
	}, nil
}

// Handler serves the demo.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.handle(a.handleHome))
	mux.HandleFunc("GET /login", a.handle(a.handleLogin))
	mux.HandleFunc("GET /callback", a.handle(a.handleCallback))
	mux.HandleFunc("POST /refresh", a.handle(a.handleRefresh))
	mux.HandleFunc("POST /logout", a.handle(a.handleLogout))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	return http.NewCrossOriginProtection().Handler(a.canonical(mux))
}

// canonical leads http://localhost:8081 to http://127.0.0.1:8081, where the demo's cookie is.
func (a *App) canonical(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own, err := url.Parse(a.cfg.URL); err == nil && r.Host != own.Host && r.Method == http.MethodGet {
			http.Redirect(w, r, a.cfg.URL+r.URL.RequestURI(), http.StatusSeeOther) //nolint:gosec // a path behind our own address
			return
		}
		next.ServeHTTP(w, r)
	})
}

// handle shows what went wrong on the demo's own page.
func (a *App) handle(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if err := do(w, r); err != nil {
			a.cfg.Log.WarnContext(r.Context(), "demo", slog.Any("error", err))
			a.show(w, r, http.StatusBadGateway, pageData{Problem: err.Error()})
		}
	}
}

// pageData is all that the one page can show.
type pageData struct {
	Issuer  string
	Inbox   string
	Problem string
	Name    string // empty: nobody is signed in
	Claims  []claim
	Tokens  *tokens
	Notice  string
}

func (a *App) show(w http.ResponseWriter, r *http.Request, status int, d pageData) {
	d.Issuer, d.Inbox = a.cfg.Issuer, a.cfg.Inbox
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := a.page.Execute(w, d); err != nil {
		a.cfg.Log.WarnContext(r.Context(), "demo page", slog.Any("error", err))
	}
}

// relying is go-oidc and oauth2 set up by discovery (OpenID Connect Discovery 1.0, section 4), once the provider is there.
func (a *App) relying(ctx context.Context) (context.Context, *oidc.Provider, *oauth2.Config, error) {
	ctx = oidc.ClientContext(ctx, a.http)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.provider == nil {
		// The provider keeps its context for reading keys later, so it must not end with this request.
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), a.http), a.cfg.Issuer)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("discovering the provider: %w", err)
		}
		a.provider = p
	}
	return ctx, a.provider, &oauth2.Config{
		ClientID: a.cfg.ClientID, ClientSecret: a.cfg.ClientSecret, Endpoint: a.provider.Endpoint(), RedirectURL: RedirectURI(a.cfg.URL),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "phone", oidc.ScopeOfflineAccess},
	}, nil
}

func (a *App) handleHome(w http.ResponseWriter, r *http.Request) error {
	d := pageData{}
	if t := a.visitors.tokens(r); t != nil {
		d.Name, d.Claims, d.Tokens = t.name, t.claims, t
		if t.refreshes > 0 {
			d.Notice = fmt.Sprintf("New tokens, without asking again: %d so far.", t.refreshes)
		}
	}
	a.show(w, r, http.StatusOK, d)
	return nil
}

// handleLogin sends the browser to the provider: authorization code, PKCE (RFC 7636), state and nonce.
func (a *App) handleLogin(w http.ResponseWriter, r *http.Request) error {
	_, _, relying, err := a.relying(r.Context())
	if err != nil {
		return err
	}
	login := login{state: random(), nonce: random(), verifier: oauth2.GenerateVerifier(), at: a.cfg.Now()}
	a.visitors.begin(w, r, login)
	options := []oauth2.AuthCodeOption{oidc.Nonce(login.nonce), oauth2.S256ChallengeOption(login.verifier)}
	if connection := r.URL.Query().Get("connection"); connection == "email" || connection == "sms" {
		options = append(options, oauth2.SetAuthURLParam("connection", connection))
	}
	http.Redirect(w, r, relying.AuthCodeURL(login.state, options...), http.StatusSeeOther) //nolint:gosec // the provider's own address
	return nil
}

// handleCallback takes the provider's answer: checks state and iss (RFC 9207), exchanges the code, verifies the ID token
// and its nonce, and asks userinfo.
func (a *App) handleCallback(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	login, ok := a.visitors.finish(r, q.Get("state"))
	if !ok {
		return errors.New("the answer belongs to no login of this browser: start again")
	}
	if iss := q.Get("iss"); iss != a.cfg.Issuer {
		return fmt.Errorf("the answer is from %q, not from our provider", iss)
	}
	if problem := q.Get("error"); problem != "" {
		return fmt.Errorf("the provider says %s: %s", problem, q.Get("error_description"))
	}
	ctx, provider, relying, err := a.relying(r.Context())
	if err != nil {
		return err
	}
	token, err := relying.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(login.verifier))
	if err != nil {
		return fmt.Errorf("exchanging the code: %w", err)
	}
	t, err := a.read(ctx, provider, token, login.nonce)
	if err != nil {
		return err
	}
	a.visitors.signIn(w, r, t)
	http.Redirect(w, r, a.cfg.URL+"/", http.StatusSeeOther)
	return nil
}

func (a *App) handleRefresh(w http.ResponseWriter, r *http.Request) error {
	old := a.visitors.tokens(r)
	if old == nil {
		http.Redirect(w, r, a.cfg.URL+"/", http.StatusSeeOther)
		return nil
	}
	ctx, provider, relying, err := a.relying(r.Context())
	if err != nil {
		return err
	}
	token, err := relying.TokenSource(ctx, &oauth2.Token{RefreshToken: old.token.RefreshToken}).Token()
	if err != nil {
		return fmt.Errorf("refreshing: %w", err)
	}
	if _, has := token.Extra("id_token").(string); !has {
		token = token.WithExtra(map[string]any{"id_token": old.idToken})
	}
	t, err := a.read(ctx, provider, token, "")
	if err != nil {
		return err
	}
	t.refreshes = old.refreshes + 1
	a.visitors.replace(r, t)
	http.Redirect(w, r, a.cfg.URL+"/", http.StatusSeeOther)
	return nil
}

// handleLogout forgets the visitor here, then ends the session there (OpenID Connect RP-Initiated Logout 1.0).
func (a *App) handleLogout(w http.ResponseWriter, r *http.Request) error {
	old := a.visitors.tokens(r)
	a.visitors.signOut(w, r)
	_, provider, _, err := a.relying(r.Context())
	if err != nil {
		return err
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return fmt.Errorf("reading the provider's metadata: %w", err)
	}
	if old == nil || metadata.EndSession == "" {
		http.Redirect(w, r, a.cfg.URL+"/", http.StatusSeeOther)
		return nil
	}
	query := url.Values{"id_token_hint": {old.idToken}, "client_id": {a.cfg.ClientID}, "post_logout_redirect_uri": {a.cfg.URL + "/"}}
	http.Redirect(w, r, metadata.EndSession+"?"+query.Encode(), http.StatusSeeOther)
	return nil
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
