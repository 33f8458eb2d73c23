package storage

import (
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// What a caller can be told. Every failure of the database itself is [ErrUnavailable], whatever its cause.
var (
	ErrNotFound      = errors.New("not found")
	ErrExists        = errors.New("exists already")
	ErrWrongSecret   = errors.New("the secret is not the one that this database was made with")
	ErrRetiredSecret = errors.New("the secret was retired as compromised, and there is no other")
	ErrUnavailable   = errors.New("database is not available")
	ErrManagedByFile = errors.New("managed by the configuration file")
	ErrStaleRevision = errors.New("a newer revision of the configuration is in use")
	ErrReused        = errors.New("used before")
	ErrRevoked       = errors.New("revoked")
	ErrExpired       = errors.New("expired")
	ErrLastIdentity  = errors.New("a user keeps an identity that can sign them in")
	ErrTooSoon       = errors.New("asked again too soon")
	ErrInvalid       = errors.New("text that cannot be stored")
)

// errText is how a statement fails whose text no row can hold: a look-up finds nothing, a write is [ErrInvalid].
var errText = fmt.Errorf("%w: NUL or invalid UTF-8 in text", gorm.ErrRecordNotFound)

// errAgain says that another transaction came between a read and its write: the whole transaction is tried again.
var errAgain = fmt.Errorf("%w: overtaken by another transaction", ErrUnavailable)

// failed names what a statement was for and turns its error into one of ours.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("%s: %w", doing, ErrExists)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
