package storage

import (
	"time"

	"sallyport/grants"
)

// User is a person with an account.
type User struct {
	ID                   string // the sub, never reused
	Blocked              bool
	BlockedAt, CreatedAt time.Time
	Identities           []Identity // oldest first
}

// Identity is an address that a user has proved. No two users have the same.
type Identity struct {
	Connection            string // email or sms
	Address               grants.Address
	VerifiedAt, CreatedAt time.Time
}
