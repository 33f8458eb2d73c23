package storage

import "time"

// API is a resource server, named by its audience.
type API struct {
	Audience, Name string
	Scopes         []string
	Alg            string        // of its JWT access tokens
	TokenLifetime  time.Duration // of its access tokens
}
