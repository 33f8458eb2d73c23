package storage

import "time"

// Authorization is what one login gave one client: the unit of revocation for its code, its refresh token and all its
// access tokens.
type Authorization struct {
	ID, ClientID, UserID, SessionID, ChallengeID string

	RedirectURI, Scope, Audience, Nonce, CodeChallenge string

	AMR             []string
	ACR             string
	AuthTime        time.Time
	Offline         bool // has a refresh token
	EndsWithSession bool

	CodeExpiresAt, CodeSpentAt time.Time // a zero CodeExpiresAt: it never had a code

	RefreshGeneration int
	RefreshedAt       time.Time
	RefreshExpiresAt  time.Time // when it is not used before
	RefreshEndsAt     time.Time // in any case

	CreatedAt time.Time
	ExpiresAt time.Time // the longest life of anything it gave; the row may be purged then
	RevokedAt time.Time
}
