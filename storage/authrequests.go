package storage

import "time"

// AuthRequest is an authorization request (OpenID Connect Core, section 3.1.2.1) while its login runs.
type AuthRequest struct {
	ID, ClientID string
	Browser      string // hash of the browser's cookie

	RedirectURI, Scope, State, Nonce, ResponseMode, Audience string

	CodeChallenge string // S256
	Prompt        string
	MaxAge        int // seconds, -1 for none

	LoginHint, Connection, UILocales string

	CreatedAt, ExpiresAt time.Time
}
