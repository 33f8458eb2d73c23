package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
)

// shortLived is the longest life of what is sealed and has no row: access tokens of clients that say nothing else, codes,
// tickets, cookies of a login under way. A browser that is known by its cookie is a stranger without the secret, no more.
const shortLived = time.Hour

// maxClientsNamed is how many clients are named that keep a master secret needed.
const maxClientsNamed = 10

// SecretUse is what depends on a master secret.
type SecretUse struct {
	Secret

	CheckValue    bool // by which a process knows its ring
	SigningKeys   int
	ClientSecrets int    // hashes; they move at their next use, once nobody seals with the secret any more
	Clients       string // whose secrets those are, with spaces between, at most maxClientsNamed
	RefreshTokens int
	Challenges    int // open ones
	AuditSeals    int
	Until         time.Time // what has no row is over then

	// Sessions that began while it sealed. They do not need it, but whoever has it and a copy of the database of that day
	// can have made their cookies.
	Sessions int
}

// Holds says what would be lost without the secret, nothing when it may go.
func (u SecretUse) Holds(now time.Time) []string {
	var held []string
	if u.CheckValue {
		held = append(held, "the value that every start is checked with")
	}
	count := func(n int, what string) {
		if n == 1 {
			held = append(held, "1 "+what)
		} else if n > 1 {
			held = append(held, fmt.Sprintf("%d %ss", n, what))
		}
	}
	count(u.SigningKeys, "signing key")
	count(u.ClientSecrets, "client secret")
	if u.Clients != "" {
		held[len(held)-1] += " (" + u.Clients + ")"
	}
	count(u.RefreshTokens, "refresh token")
	count(u.Challenges, "pending code")
	count(u.AuditSeals, "audit seal")
	if now.Before(u.Until) && u.RetiredAt.IsZero() {
		held = append(held, "access tokens until "+u.Until.UTC().Format(time.RFC3339))
	}
	return held
}

// SecretUses counts what depends on each master secret, known ones first, oldest first. It reads whole tables: for
// administration.
func (s *Store) SecretUses(ctx context.Context) ([]SecretUse, error) {
	known, err := s.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	u := secretUses{}
	for _, k := range known {
		u.of(k.ID).Secret = k
	}
	for _, count := range []func(context.Context, *secretUses) error{s.countSealed, s.countClientSecrets, s.countNamed, s.countByTime} {
		if err := count(ctx, &u); err != nil {
			return nil, err
		}
	}
	out := make([]SecretUse, len(u.all))
	for i, use := range u.all {
		out[i] = *use
	}
	return out, nil
}

type secretUses struct {
	all       []*SecretUse
	longestAT time.Duration
}

func (u *secretUses) of(id string) *SecretUse {
	for _, use := range u.all {
		if use.ID == id {
			return use
		}
	}
	use := &SecretUse{Secret: Secret{ID: id}}
	u.all = append(u.all, use)
	return use
}

func (s *Store) countSealed(ctx context.Context, u *secretUses) error {
	check, err := s.setting(ctx, settingCheck)
	if err != nil {
		return err
	}
	if check != nil {
		u.of(grants.SealedBy(check)).CheckValue = true
	}
	rows, err := s.signingKeys(s.query(ctx).Where("verify_until = 0 OR verify_until > ?", micros(s.now())))
	for _, r := range rows {
		u.of(grants.SealedBy(r.Sealed)).SigningKeys++
	}
	return err
}

func (s *Store) countClientSecrets(ctx context.Context, u *secretUses) error {
	clients, err := s.Clients(ctx)
	for _, c := range clients {
		u.longestAT = max(u.longestAT, c.Settings.AccessTokenLifetime)
		for _, entry := range c.Secrets {
			if id := grants.HashedBy(entry); id != "" {
				use := u.of(id)
				use.ClientSecrets++
				switch named := strings.Fields(use.Clients); {
				case slices.Contains(named, c.ID), len(named) > maxClientsNamed:
				case len(named) == maxClientsNamed:
					use.Clients += " …"
				default:
					use.Clients = strings.Join(append(named, c.ID), " ")
				}
			}
		}
	}
	return err
}

type namedCount struct {
	id string
	n  int
}

func (r *namedCount) fields() []any { return []any{&r.id, &r.n} }

func (s *Store) countNamed(ctx context.Context, u *secretUses) error {
	rows, err := read[namedCount](s.query(ctx).Raw(`SELECT key_id, COUNT(*) FROM challenges
		WHERE spent_at = 0 AND ended_at = 0 AND expires_at > ? GROUP BY key_id`, micros(s.now())))
	if err != nil {
		return failed("counting challenges", err)
	}
	for _, r := range rows {
		u.of(r.id).Challenges = r.n
	}
	rows, err = read[namedCount](s.query(ctx).Raw("SELECT key_id, COUNT(*) FROM audit_seals GROUP BY key_id"))
	if err != nil {
		return failed("counting audit seals", err)
	}
	for _, r := range rows {
		u.of(r.id).AuditSeals = r.n
	}
	return nil
}

// refreshMinted is when an authorization's refresh token of now was made: at its last rotation, or with the exchange of its code,
// or with the authorization itself.
const refreshMinted = "(CASE WHEN refreshed_at <> 0 THEN refreshed_at WHEN code_spent_at <> 0 THEN code_spent_at ELSE created_at END)"

// countByTime counts what was made while a secret sealed. While two have sealed side by side, it counts for both.
func (s *Store) countByTime(ctx context.Context, u *secretUses) error {
	now := micros(s.now())
	for _, use := range u.all {
		if use.SealedAt.IsZero() {
			continue
		}
		use.Until = use.SealedUntil().Add(max(shortLived, u.longestAT))
		from, to := micros(use.Since), micros(use.SealedUntil())
		tokens, err := readOne[number](s.query(ctx).Raw(`SELECT COUNT(*) FROM authorizations WHERE offline = ? AND revoked_at = 0
			AND (code_expires_at = 0 OR code_spent_at <> 0) AND refresh_expires_at > ? AND refresh_ends_at > ?
			AND `+refreshMinted+` BETWEEN ? AND ?`, true, now, now, from, to))
		if err != nil {
			return failed("counting refresh tokens", err)
		}
		sessions, err := readOne[number](s.query(ctx).Raw("SELECT COUNT(*) FROM sessions s WHERE "+liveSession+" AND s.auth_time BETWEEN ? AND ?",
			now, now, from, to))
		if err != nil {
			return failed("counting sessions", err)
		}
		use.RefreshTokens, use.Sessions = int(tokens.is), int(sessions.is)
	}
	return nil
}
