package storage

import "time"

// Session is a browser that is signed in.
type Session struct {
	ID         string // the sid: public, random
	SecretHash string // of the cookie
	UserID     string
	AMR        []string

	AuthTime, CreatedAt, SeenAt time.Time
	ExpiresAt                   time.Time // the absolute limit
	IdleExpiresAt               time.Time
}
