package grants

import "encoding/hex"

// NewUserID is a new sub of the form that Auth0 gives passwordless users, from the address's channel.
func NewUserID(a Address) string {
	return string(a.Channel) + "|" + hex.EncodeToString(randomBytes(12))
}
