package grants

import "encoding/hex"

// newUserID is a sub of the form that Auth0 gives passwordless users, from the address's channel.
func newUserID(a Address) string {
	return string(a.Channel) + "|" + hex.EncodeToString(randomBytes(12))
}
