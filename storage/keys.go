package storage

import "time"

// SigningKey is a key pair that signs tokens.
type SigningKey struct {
	ID, Alg string // the kid; RS256, ES256 or EdDSA
	Private []byte // PKCS #8, DER; sealed at rest

	PublishAt, SignFrom time.Time
	VerifyUntil         time.Time // zero while it is in use
	CreatedAt           time.Time
	SealedBy            string // the id of the secret that sealed it
}
