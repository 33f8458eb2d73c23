package storage

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"sallyport/grants"
)

// SigningKey is a key pair that signs tokens.
type SigningKey struct {
	ID, Alg string // the kid; RS256, ES256 or EdDSA
	Private []byte // PKCS #8, DER; sealed at rest

	PublishAt, SignFrom time.Time
	VerifyUntil         time.Time // zero while it is in use
	CreatedAt           time.Time
	SealedBy            string // the id of the secret that sealed it; read only
}

type signingKeyRow struct {
	ID          string
	Alg         string
	Sealed      []byte
	PublishAt   int64
	SignFrom    int64
	VerifyUntil int64
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
}

// TableName implements gorm's schema.Tabler.
func (signingKeyRow) TableName() string { return "signing_keys" }

// keyLabel is the ring's purpose of sealed signing keys. The kid is their associated data.
const keyLabel = "signing key"

// SigningKeys reads all keys that are not over, oldest first. [ErrWrongSecret] when the ring cannot open one.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	rows, err := s.signingKeys(s.query(ctx).Where("verify_until = 0 OR verify_until > ?", micros(s.now())).Order("created_at, id"))
	if err != nil {
		return nil, err
	}
	keys := make([]SigningKey, len(rows))
	for i, r := range rows {
		private, err := s.openKey(r)
		if err != nil {
			return nil, err
		}
		keys[i] = SigningKey{
			ID: r.ID, Alg: r.Alg, Private: private, PublishAt: moment(r.PublishAt), SignFrom: moment(r.SignFrom),
			VerifyUntil: moment(r.VerifyUntil), CreatedAt: moment(r.CreatedAt), SealedBy: grants.SealedBy(r.Sealed),
		}
	}
	return keys, nil
}

func (s *Store) signingKeys(where *gorm.DB) ([]signingKeyRow, error) {
	var rows []signingKeyRow
	err := where.Find(&rows).Error
	return rows, failed("reading signing keys", err)
}

func (s *Store) openKey(r signingKeyRow) ([]byte, error) {
	private, err := s.ring.Open(keyLabel, r.Sealed, []byte(r.ID))
	if err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", r.ID, ErrWrongSecret)
	}
	return private, nil
}

// AddSigningKey seals and writes a key. [ErrExists] when its id is taken.
func (s *Store) AddSigningKey(ctx context.Context, k SigningKey) error {
	_, err := s.exec(ctx, "writing signing key", `INSERT INTO signing_keys (id, alg, sealed, publish_at, sign_from, verify_until, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, k.ID, k.Alg, s.ring.Seal(keyLabel, k.Private, []byte(k.ID)),
		micros(k.PublishAt), micros(k.SignFrom), micros(k.VerifyUntil), micros(k.CreatedAt))
	return err
}

// RetireSigningKeys sets the end of all keys of an algorithm that have none yet, except one.
func (s *Store) RetireSigningKeys(ctx context.Context, alg, exceptID string, verifyUntil time.Time) error {
	_, err := s.exec(ctx, "retiring signing keys", "UPDATE signing_keys SET verify_until = ? WHERE alg = ? AND id <> ? AND verify_until = 0",
		micros(verifyUntil), alg, exceptID)
	return err
}

// StartSigningKey lets a key sign from a time on. [ErrNotFound].
func (s *Store) StartSigningKey(ctx context.Context, id string, from time.Time) error {
	n, err := s.exec(ctx, "starting signing key", "UPDATE signing_keys SET sign_from = ? WHERE id = ?", micros(from), id)
	if err == nil && n == 0 {
		return fmt.Errorf("starting signing key: %w", ErrNotFound)
	}
	return err
}

// DeleteSigningKey removes a key at once. [ErrNotFound].
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	n, err := s.exec(ctx, "deleting signing key", "DELETE FROM signing_keys WHERE id = ?", id)
	if err == nil && n == 0 {
		return fmt.Errorf("deleting signing key: %w", ErrNotFound)
	}
	return err
}

// WithKeyLock runs fn in a transaction while no other process does, as [Store.Tx] would.
func (s *Store) WithKeyLock(ctx context.Context, fn func(context.Context) error) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lock(ctx, settingKeys); err != nil {
			return err
		}
		return fn(ctx)
	})
}
