package storage

import (
	"context"
	"fmt"
	"strings"

	"sallyport/grants"
)

// Names of rows of the table settings, which holds what there is one of, and serves as locks.
const (
	settingRevision = "clients revision"
	settingKeys     = "signing keys"
	settingAPIs     = "apis"
	settingCheck    = "secret check"
	settingAlert    = "alert " // and the cause
)

const checkValue = "sallyport"

// lock holds a setting's row until the transaction ends and gives its number, 0 at first.
func (s *Store) lock(ctx context.Context, name string) (int64, error) {
	n, err := readOne[number](s.query(ctx).Raw(`INSERT INTO settings (name, n) VALUES (?, 0)
		ON CONFLICT (name) DO UPDATE SET n = settings.n RETURNING n`, name))
	return n.is, failed("locking "+name, err)
}

// CheckSecret tells whether the ring is the one that this database was made with: it opens a sealed value, which the
// first call writes. [ErrWrongSecret] when it cannot.
func (s *Store) CheckSecret(ctx context.Context) error {
	sealed, err := s.setting(ctx, settingCheck)
	if err != nil {
		return err
	}
	if sealed == nil {
		_, err := s.exec(ctx, "writing check value", `INSERT INTO settings (name, n, value) VALUES (?, 0, ?) ON CONFLICT (name) DO NOTHING`,
			settingCheck, s.sealCheck())
		if err != nil {
			return err
		}
		if sealed, err = s.setting(ctx, settingCheck); err != nil {
			return err
		}
	}
	if plain, err := s.ring.Open("check", sealed, []byte(settingCheck)); err != nil || string(plain) != checkValue {
		if by := grants.SealedBy(sealed); !s.ring.Has(by) {
			return fmt.Errorf("checking secret: %w: it needs %s, and here is %s", ErrWrongSecret, by, strings.Join(s.ring.KeyIDs(), ", "))
		}
		return fmt.Errorf("checking secret: %w", ErrWrongSecret)
	}
	return nil
}

// HasSecret tells whether a ring has been bound to this database, see [Store.CheckSecret]. Any ring may ask.
func (s *Store) HasSecret(ctx context.Context) (bool, error) {
	if err := s.Ping(ctx); err != nil {
		return false, err
	}
	query := "SELECT to_regclass('settings') IS NOT NULL"
	if s.sqlite {
		query = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'settings')"
	}
	table, err := readOne[flag](s.query(ctx).Raw(query))
	if err != nil || !table.is {
		return false, failed("looking for settings", err)
	}
	sealed, err := s.setting(ctx, settingCheck)
	return sealed != nil, err
}

// setting reads a setting's value, nil where it has none.
func (s *Store) setting(ctx context.Context, name string) ([]byte, error) {
	var rows [][]byte
	err := s.query(ctx).Raw("SELECT value FROM settings WHERE name = ?", name).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, failed("reading "+name, err)
	}
	return rows[0], nil
}

func (s *Store) sealCheck() []byte {
	return s.ring.Seal("check", []byte(checkValue), []byte(settingCheck))
}

// resealCheck seals the check value anew where another secret than the ring's first sealed it.
func (s *Store) resealCheck(ctx context.Context) (int, error) {
	sealed, err := s.setting(ctx, settingCheck)
	if err != nil || sealed == nil || grants.SealedBy(sealed) == s.ring.KeyID() {
		return 0, err
	}
	if _, err := s.ring.Open("check", sealed, []byte(settingCheck)); err != nil {
		return 0, fmt.Errorf("opening check value: %w", ErrWrongSecret)
	}
	_, err = s.exec(ctx, "writing check value", "UPDATE settings SET value = ? WHERE name = ?", s.sealCheck(), settingCheck)
	return 1, err
}
