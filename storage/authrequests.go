package storage

import (
	"context"
	"time"
)

// AuthRequest is an authorization request (OpenID Connect Core, section 3.1.2.1) while its login runs.
type AuthRequest struct {
	ID, ClientID string
	Browser      string // hash of the browser's cookie

	RedirectURI, Scope, State, Nonce, ResponseMode, Audience string

	CodeChallenge string // S256
	Prompt        string
	MaxAge        int // seconds, -1 for none

	LoginHint, Connection, UILocales, ScreenHint string

	ResponseType string
	Device       string // id of the device code that the login is for, instead of an application

	CreatedAt, ExpiresAt time.Time
}

type authRequestRow struct {
	ID            string
	ClientID      string
	Browser       string
	RedirectURI   string
	Scope         string
	State         string
	Nonce         string
	ResponseMode  string
	Audience      string
	CodeChallenge string
	Prompt        string
	MaxAge        int
	LoginHint     string
	Connection    string
	UILocales     string
	ScreenHint    string
	ResponseType  string
	Device        string
	CreatedAt     int64
	ExpiresAt     int64
}

const authRequestColumns = `id, client_id, browser, redirect_uri, scope, state, nonce, response_mode, audience, code_challenge, prompt,
	max_age, login_hint, connection, ui_locales, screen_hint, response_type, device, created_at, expires_at`

func (r *authRequestRow) fields() []any {
	return []any{
		&r.ID, &r.ClientID, &r.Browser, &r.RedirectURI, &r.Scope, &r.State, &r.Nonce, &r.ResponseMode, &r.Audience, &r.CodeChallenge,
		&r.Prompt, &r.MaxAge, &r.LoginHint, &r.Connection, &r.UILocales, &r.ScreenHint,
		&r.ResponseType, &r.Device, &r.CreatedAt, &r.ExpiresAt,
	}
}

// SaveAuthRequest writes a new authorization request. [ErrExists] when its id is taken.
func (s *Store) SaveAuthRequest(ctx context.Context, r AuthRequest) error {
	_, err := s.exec(ctx, "writing authorization request", "INSERT INTO auth_requests ("+authRequestColumns+
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.ID, r.ClientID, r.Browser, r.RedirectURI, r.Scope, r.State, r.Nonce, r.ResponseMode, r.Audience, r.CodeChallenge,
		r.Prompt, r.MaxAge, r.LoginHint, r.Connection, r.UILocales, r.ScreenHint, r.ResponseType, r.Device,
		micros(r.CreatedAt), micros(r.ExpiresAt))
	return err
}

// AuthRequest reads an authorization request that is not over. [ErrNotFound].
func (s *Store) AuthRequest(ctx context.Context, id string) (AuthRequest, error) {
	r, err := readOne[authRequestRow](s.query(ctx).Raw("SELECT "+authRequestColumns+
		" FROM auth_requests WHERE id = ? AND expires_at > ?", id, micros(s.now())))
	if err != nil {
		return AuthRequest{}, failed("reading authorization request", err)
	}
	return AuthRequest{
		ID: r.ID, ClientID: r.ClientID, Browser: r.Browser, RedirectURI: r.RedirectURI, Scope: r.Scope, State: r.State, Nonce: r.Nonce,
		ResponseMode: r.ResponseMode, Audience: r.Audience, CodeChallenge: r.CodeChallenge, Prompt: r.Prompt, MaxAge: r.MaxAge,
		LoginHint: r.LoginHint, Connection: r.Connection, UILocales: r.UILocales, ScreenHint: r.ScreenHint,
		ResponseType: r.ResponseType, Device: r.Device,
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
	}, nil
}
