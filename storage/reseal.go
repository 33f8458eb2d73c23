package storage

import (
	"context"
	"fmt"

	"sallyport/grants"
)

// Reseal seals anew, with the ring's first secret, what another one sealed of the little that nothing goes on without: the check value,
// every signing key and the beginning of the audit log. It gives their number. [ErrWrongSecret] when a key cannot be opened, and
// nothing is changed then, or when the beginning of the audit log cannot be. Seals of the audit log are for [Store.ResealSeals].
func (s *Store) Reseal(ctx context.Context) (int, error) {
	var n int
	err := s.WithKeyLock(ctx, func(ctx context.Context) error {
		var err error
		if n, err = s.resealCheck(ctx); err != nil {
			return err
		}
		rows, err := s.signingKeys(s.query(ctx))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if grants.SealedBy(r.Sealed) == s.ring.KeyID() {
				continue
			}
			private, err := s.openKey(r)
			if err != nil {
				return err
			}
			sealed := s.ring.Seal(keyLabel, private, []byte(r.ID))
			if _, err := s.exec(ctx, "sealing signing key", "UPDATE signing_keys SET sealed = ? WHERE id = ?", sealed, r.ID); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	anchor, err := s.resealAnchor(ctx)
	return n + anchor, err
}

func (s *Store) resealAnchor(ctx context.Context) (int, error) {
	n := 0
	err := s.Tx(ctx, func(ctx context.Context) error {
		n = 0
		if _, err := s.lock(ctx, settingAnchor); err != nil {
			return err
		}
		sealed, err := s.setting(ctx, settingAnchor)
		if err != nil || len(sealed) == 0 || grants.SealedBy(sealed) == s.ring.KeyID() {
			return err
		}
		t, err := s.openAnchor(sealed)
		if err != nil {
			return err
		}
		n = 1
		return s.writeAnchor(ctx, t)
	})
	return n, err
}

// ResealSeals makes the MACs of the audit log's seals anew with the ring's first secret, the oldest first and about as many as most, in
// small transactions: any number of processes may do so, and take turns. It gives how many it made; fewer than most when none is
// left. A seal that does not verify stays as it is, and is [ErrWrongSecret]: nothing is to be made good by this.
func (s *Store) ResealSeals(ctx context.Context, most int) (total int, err error) {
	for from := int64(0); total < most && err == nil; {
		var n int
		n, from, err = s.resealSeals(ctx, from, maxSealsRead)
		if total += n; n == 0 {
			break
		}
	}
	return total, err
}

// resealSeals does a batch of them, behind the seal with the number from, and gives how many and the last one's number.
func (s *Store) resealSeals(ctx context.Context, from int64, batch int) (n int, last int64, err error) {
	err = s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lock(ctx, settingAnchor); err != nil {
			return err
		}
		rows, err := s.seals(ctx, "n > ? AND key_id <> ?", batch, from, s.ring.KeyID())
		if err != nil {
			return err
		}
		n, last = len(rows), from
		for _, l := range rows {
			if !s.witnessed(l) {
				n = 0
				return fmt.Errorf("seal %d of the audit log does not verify, see audit verify: %w", l.N, ErrWrongSecret)
			}
			if err := s.sign(&l); err != nil {
				return err
			}
			if _, err := s.exec(ctx, "sealing audit log", "UPDATE audit_seals SET mac = ?, key_id = ? WHERE n = ?", l.mac, l.KeyID, l.N); err != nil {
				return err
			}
			last = l.N
		}
		return nil
	})
	return n, last, err
}
