package grants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"strings"
	"time"
)

const (
	// PurposeLogin is the purpose of a challenge that signs somebody in.
	PurposeLogin = "login"
	// RequesterAPI is the requester of a challenge that was started through the API.
	RequesterAPI = "api"

	// LongCodeLength is the number of digits of a code that does not draw on an address's guess budget.
	LongCodeLength = 10

	// MaxChallengeAge is the longest time from a challenge's creation to its end, however often it is asked for
	// again (NIST SP 800-63B, out-of-band secrets: 10 minutes).
	MaxChallengeAge = 10 * time.Minute

	seedBytes = 16
)

// Challenge is one open question to a person: "type the code, or open the link, that we sent to this address".
// Code and link are derived from Seed and are good together and once.
type Challenge struct {
	ID          string // public, random, 128 bits; in page addresses
	Seed        []byte // secret, random, 128 bits; only in the challenge's row
	KeyID       string // the ring's secret that derives code and link
	ClientID    string
	Connection  string // name of the connection: "email", "sms"
	Address     Address
	Purpose     string
	Requester   string // RequesterAPI, or the hash of the browser's cookie
	Device      string // the known device that asked, empty for an unknown one
	CodeLength  int    // digits
	Attempts    int    // guesses looked at so far
	MaxAttempts int
	CreatedAt   time.Time
	ExpiresAt   time.Time
	SpentAt     time.Time // zero until a right proof used it up
	EndedAt     time.Time // zero unless a newer challenge took its place
	UserID      string    // whom it signed in, once spent

	VerifiedUntil time.Time // zero until a right proof was shown without spending it; see [Engine.Verify]
	VerifiedBy    string    // who showed it
}

// Status says what a challenge is good for.
type Status int

// The states of a challenge, in the order in which they are tested.
const (
	Open      Status = iota
	Spent            // a right proof used it up
	Ended            // a newer challenge of the same slot took its place
	Expired          // its time is over
	Exhausted        // its attempts are used up
)

// Status of the challenge at a moment. It ends at exactly ExpiresAt.
func (c Challenge) Status(now time.Time) Status {
	switch {
	case !c.SpentAt.IsZero():
		return Spent
	case !c.EndedAt.IsZero():
		return Ended
	case !now.Before(c.ExpiresAt):
		return Expired
	case c.Attempts >= c.MaxAttempts:
		return Exhausted
	}
	return Open
}

// Slot names the place that only one open challenge can have: client, connection, address, purpose and requester.
// Each part is preceded by its length, so that no two lists of parts are the same bytes.
func (c Challenge) Slot() string {
	h := sha256.New()
	for _, part := range []string{c.ClientID, c.Connection, string(c.Address.Channel), c.Address.Value, c.Purpose, c.Requester} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// short tells whether the challenge's code draws on the guess budget of its address.
func (c Challenge) short() bool { return c.CodeLength < LongCodeLength }

// VerifiedToken derives what [Engine.Verify] gives for a right code: 256 bits that stand for it. It reports false when
// the challenge's key has left the ring.
func (r *Ring) VerifiedToken(c Challenge) (string, bool) { return r.token("verified", c) }

func (r *Ring) token(label string, c Challenge) (string, bool) {
	mac, ok := r.MAC(c.KeyID, label, c.Seed)
	if !ok || len(c.Seed) < seedBytes {
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(mac), true
}

// NewID is a random 128-bit identifier in base64url, 22 characters.
func NewID() string { return base64.RawURLEncoding.EncodeToString(randomBytes(16)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// Code derives a challenge's code: the whole 256 bits of the MAC modulo 10^CodeLength, with leading zeros. It reports
// false when the challenge's key has left the ring. Only the message and the comparison may know the code.
func (r *Ring) Code(c Challenge) (string, bool) {
	mac, ok := r.MAC(c.KeyID, "code", c.Seed)
	if !ok || len(c.Seed) < seedBytes {
		return "", false
	}
	n := new(big.Int).SetBytes(mac)
	digits := n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.CodeLength)), nil)).String()
	return strings.Repeat("0", c.CodeLength-len(digits)) + digits, true
}

// LinkToken derives a challenge's link token: 256 bits in base64url, 43 characters. It reports false when the
// challenge's key has left the ring.
func (r *Ring) LinkToken(c Challenge) (string, bool) { return r.token("link", c) }
