package storage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// digestBytes is what a seal keeps of each event: enough that nobody finds another event with the same ones.
	digestBytes = 16
	// maxSealsRead bounds how many seals, with their digests, are in memory at once.
	maxSealsRead = 20
	// sealLabel is the ring's purpose of seals, and of the anchor.
	sealLabel = "audit"
	// settingAnchor is the row of what the retention has left behind, see [Store.purgeSeals].
	settingAnchor = "audit anchor"
)

// Seal is one link of the chain that covers the audit log: a batch of events, in the order of their ids.
type Seal struct {
	N              int64  // 1 is the first
	AfterID        string // the last id of the seal before; all events up to LastID belong to this one
	LastID         string
	Events         int
	Hash, Previous []byte // SHA-256 over this seal, and over the one before
	SealedAt       time.Time
	KeyID          string // names the master secret of its MAC

	digests, mac []byte
}

// Head is how a seal is written down outside of the database: whoever keeps it can tell later that nothing up to there was cut off.
func (l Seal) Head() string { return hex.EncodeToString(l.Hash) }

const sealColumns = "n, after_id, last_id, events, digests, previous, hash, mac, key_id, sealed_at"

type sealRow struct {
	Seal
	sealedAt int64
}

func (r *sealRow) fields() []any {
	return []any{&r.N, &r.AfterID, &r.LastID, &r.Events, &r.digests, &r.Previous, &r.Hash, &r.mac, &r.KeyID, &r.sealedAt}
}

// chained is the seal that follows on another, over the digests of its events.
func chained(before tip, lastID string, digests []byte, now time.Time) Seal {
	l := Seal{
		N: before.N + 1, AfterID: before.LastID, LastID: lastID, Events: len(digests) / digestBytes,
		Previous: before.Hash, SealedAt: moment(micros(now)), digests: digests,
	}
	l.Hash = l.sum()
	return l
}

// sum is the hash over all that a seal says.
func (l Seal) sum() []byte {
	return fingerprint("sallyport audit seal 1", word(l.N), l.Previous, []byte(l.AfterID), []byte(l.LastID), word(int64(l.Events)),
		word(micros(l.SealedAt)), l.digests)
}

// digest is what a seal keeps of an event: no two events that differ in any column have the same.
func (r eventRow) digest() []byte {
	return fingerprint("sallyport audit event 1", []byte(r.ID), word(r.Time), []byte(r.Type), []byte(r.ClientID), []byte(r.UserID), []byte(r.Address), []byte(r.ChallengeID),
		[]byte(r.IP), []byte(r.RequestID), []byte(r.Detail))[:digestBytes]
}

// fingerprint is SHA-256 over parts, each preceded by its length, so that no two lists of parts are the same bytes.
func fingerprint(name string, parts ...[]byte) []byte {
	h := sha256.New()
	add := func(p []byte) {
		_, _ = h.Write(word(int64(len(p))))
		_, _ = h.Write(p)
	}
	add([]byte(name))
	for _, p := range parts {
		add(p)
	}
	return h.Sum(nil)
}

func word(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) } //nolint:gosec // the same bits

// follows tells whether a seal is the one right after another.
func (l Seal) follows(t tip) bool {
	return l.N == t.N+1 && l.AfterID == t.LastID && bytes.Equal(l.Previous, t.Hash)
}

// authentic tells whether somebody who has the master secret made the seal as it is. A retired secret vouches for nothing.
func (s *Store) authentic(l Seal) bool {
	mac, known := s.ring.MAC(l.KeyID, sealLabel, l.Hash)
	return known && l.has(mac)
}

// witnessed is authentic by a retired secret too: seals are many, and move to another secret behind everything else.
func (s *Store) witnessed(l Seal) bool {
	mac, known := s.ring.Witness(l.KeyID, sealLabel, l.Hash)
	return known && l.has(mac)
}

func (l Seal) has(mac []byte) bool { return hmac.Equal(mac, l.mac) && hmac.Equal(l.sum(), l.Hash) }

// tip is where the chain ends: what the next seal follows on. The zero tip is before the first.
type tip struct {
	N        int64  `json:"n"`
	LastID   string `json:"last_id"`
	Hash     []byte `json:"hash"`
	SealedAt int64  `json:"sealed_at"`
}

func (t *tip) fields() []any { return []any{&t.N, &t.LastID, &t.Hash, &t.SealedAt} }

func (l Seal) tip() tip { return tip{l.N, l.LastID, l.Hash, micros(l.SealedAt)} }

// auditTip reads the newest seal, or, where the retention has taken all of them, what is left of it.
func (s *Store) auditTip(ctx context.Context) (tip, error) {
	t, err := s.newestSeal(ctx)
	if errors.Is(err, ErrNotFound) {
		return s.auditAnchor(ctx)
	}
	return t, err
}

// newestSeal reads the end of the chain. [ErrNotFound].
func (s *Store) newestSeal(ctx context.Context) (tip, error) {
	t, err := readOne[tip](s.query(ctx).Raw("SELECT n, last_id, hash, sealed_at FROM audit_seals ORDER BY n DESC LIMIT 1"))
	return t, failed("reading the newest seal", err)
}

// auditAnchor reads the last seal that the retention has deleted, the zero tip where it has deleted none. [ErrWrongSecret] when
// the ring cannot open it: nobody without the master secret can have begun the chain later than the retention did.
func (s *Store) auditAnchor(ctx context.Context) (tip, error) {
	sealed, err := s.setting(ctx, settingAnchor)
	if err != nil || len(sealed) == 0 {
		return tip{}, err
	}
	return s.openAnchor(sealed)
}

func (s *Store) openAnchor(sealed []byte) (t tip, err error) {
	plain, err := s.ring.Open(sealLabel, sealed, []byte(settingAnchor))
	if err != nil {
		return tip{}, fmt.Errorf("opening the beginning of the audit log: %w", ErrWrongSecret)
	}
	return t, json.Unmarshal(plain, &t)
}

func (s *Store) writeAnchor(ctx context.Context, t tip) error {
	plain, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encoding the beginning of the audit log: %w", err)
	}
	_, err = s.exec(ctx, "writing the beginning of the audit log", "UPDATE settings SET n = ?, value = ? WHERE name = ?",
		t.N, s.ring.Seal(sealLabel, plain, []byte(settingAnchor)), settingAnchor)
	return err
}
