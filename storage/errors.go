package storage

import "errors"

// What a caller can be told. Every failure of the database itself is [ErrUnavailable], whatever its cause.
var (
	ErrNotFound      = errors.New("not found")
	ErrExists        = errors.New("exists already")
	ErrWrongSecret   = errors.New("the secret is not the one that this database was made with")
	ErrUnavailable   = errors.New("database is not available")
	ErrManagedByFile = errors.New("the client is managed by the configuration file")
	ErrStaleRevision = errors.New("a newer revision of the configuration is in use")
	ErrReused        = errors.New("used before")
	ErrRevoked       = errors.New("revoked")
	ErrExpired       = errors.New("expired")
	ErrLastIdentity  = errors.New("a user keeps at least one identity")
)
