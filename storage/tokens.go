package storage

// Liveness is all that one must know to call an access token live.
type Liveness struct {
	Authorization Authorization
	User          User
	TokenRevoked  bool
}
