package storage

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
)

// User is a person with an account.
type User struct {
	ID                              string // the sub, never reused
	Blocked                         bool
	BlockedAt, CreatedAt, UpdatedAt time.Time
	Profile                         Profile
	Identities                      []Identity // the primary one first, then oldest first
}

// Profile is what is told of a person beside their addresses. What is empty follows from the addresses.
type Profile struct {
	Name       string `json:"name,omitempty"`
	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	Nickname   string `json:"nickname,omitempty"`
	Picture    string `json:"picture,omitempty"`
	Locale     string `json:"locale,omitempty"`
}

// Identity is an address of a user. No two users have the same.
//
// Only a verified one finds its user. A user who was made without a verified one and never had one since cannot have
// signed in yet: the first proof of any of their addresses makes that one verified and signs in. Any other unverified
// one finds nobody, although no verified one may be left, and goes when somebody proves the address.
type Identity struct {
	ID                    string // 24 hex digits, or what followed the bar in the id of the user it was by itself
	Connection            string // email or sms
	Address               grants.Address
	VerifiedAt, CreatedAt time.Time // a zero VerifiedAt: unverified
	Profile               *Profile  // of the user that it was before it was linked

	adoptable bool // its first proof signs in, although it is unverified; only ever written
}

// UserID is the id of the user that the identity is by itself.
func (i Identity) UserID() string { return i.Connection + "|" + i.ID }

// fresh are the identities of a new user as they are written. Those without an id get one: the first its user's own, where
// that is of its kind, the others random ones. Where none is verified, all are adoptable.
func (u User) fresh() []Identity {
	out := slices.Clone(u.Identities)
	proved := slices.ContainsFunc(out, func(i Identity) bool { return !i.VerifiedAt.IsZero() })
	for n := range out {
		i := &out[n]
		i.adoptable = !proved
		if i.ID != "" {
			continue
		}
		i.ID = newIdentityID()
		if suffix, ok := strings.CutPrefix(u.ID, i.Connection+"|"); ok && n == 0 {
			i.ID = suffix
		}
	}
	return out
}

func newIdentityID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Index is the place of the user's first identity of a channel, -1 without one.
func (u User) Index(c grants.Channel) int {
	return slices.IndexFunc(u.Identities, func(i Identity) bool { return i.Address.Channel == c })
}

// First is the user's first identity of a channel, zero without one.
func (u User) First(c grants.Channel) Identity {
	if n := u.Index(c); n >= 0 {
		return u.Identities[n]
	}
	return Identity{}
}

// Called is how the user is called: by their profile, else by their mail address and its local part, else by their number.
func (u User) Called() (name, nickname string) {
	email, phone := u.First(grants.Email).Address.Value, u.First(grants.SMS).Address.Value
	local, _, _ := strings.Cut(email, "@")
	return cmp.Or(u.Profile.Name, email, phone), cmp.Or(u.Profile.Nickname, local, phone)
}

type userRow struct {
	ID        string
	BlockedAt int64
	CreatedAt int64
	UpdatedAt int64
	Profile   profileText
}

const userColumns = `u.id, u.blocked_at, u.created_at, u.updated_at, u.profile`

func (r *userRow) fields() []any {
	return []any{&r.ID, &r.BlockedAt, &r.CreatedAt, &r.UpdatedAt, &r.Profile}
}

func (r userRow) user() User {
	return User{
		ID: r.ID, Blocked: r.BlockedAt != 0, BlockedAt: moment(r.BlockedAt), CreatedAt: moment(r.CreatedAt),
		UpdatedAt: moment(max(r.UpdatedAt, r.CreatedAt)), Profile: r.Profile.is,
	}
}

type identityRow struct {
	ID         string
	Address    string
	Connection string
	Channel    grants.Channel
	UserID     string
	VerifiedAt int64
	CreatedAt  int64
	Profile    profileText
}

func (r identityRow) identity() Identity {
	i := Identity{
		ID: r.ID, Connection: r.Connection, Address: grants.Address{Channel: r.Channel, Value: r.Address},
		VerifiedAt: moment(r.VerifiedAt), CreatedAt: moment(r.CreatedAt),
	}
	if r.Profile.there {
		i.Profile = &r.Profile.is
	}
	return i
}

// userIdentityRow is one row of a user joined with their identities; the identity of a user without one is empty.
type userIdentityRow struct {
	User     userRow
	Identity identityRow
}

const (
	userIdentityColumns = userColumns + `, COALESCE(i.id, ''), COALESCE(i.address, ''), COALESCE(i.connection, ''),
		COALESCE(i.channel, ''), COALESCE(i.user_id, ''), COALESCE(i.verified_at, 0), COALESCE(i.created_at, 0), COALESCE(i.profile, '')`
	userIdentityOrder = ` ORDER BY u.id, i.created_at, i.address`

	// findsUser is the condition on an identity i under which it finds its user: see [Identity].
	findsUser = `(i.verified_at <> 0 OR i.adoptable)`
)

func (r *userIdentityRow) fields() []any {
	i := &r.Identity
	return append(r.User.fields(), &i.ID, &i.Address, &i.Connection, &i.Channel, &i.UserID, &i.VerifiedAt, &i.CreatedAt, &i.Profile)
}

// users folds joined rows, those of a user side by side, into users.
func users(rows []userIdentityRow) []User {
	var out []User
	for _, r := range rows {
		if len(out) == 0 || out[len(out)-1].ID != r.User.ID {
			out = append(out, r.User.user())
		}
		if last := &out[len(out)-1]; r.Identity.UserID != "" {
			last.Identities = append(last.Identities, r.Identity.identity())
		}
	}
	for i := range out {
		out[i].settle()
	}
	return out
}

// settle gives ids to identities from before there were any, which an earlier release may still write, and puts the
// primary one first: the one that the user is named after, else the oldest.
func (u *User) settle() {
	named := slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.ID != "" && i.UserID() == u.ID })
	for n := range u.Identities {
		i := &u.Identities[n]
		if i.ID != "" {
			continue
		}
		if suffix, ok := strings.CutPrefix(u.ID, i.Connection+"|"); ok && !named {
			i.ID, named = suffix, true
			continue
		}
		sum := sha256.Sum256([]byte(u.ID + "\n" + i.Connection + "\n" + i.Address.Value))
		i.ID = hex.EncodeToString(sum[:12])
	}
	if n := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.UserID() == u.ID }); n > 0 {
		primary := u.Identities[n]
		copy(u.Identities[1:n+1], u.Identities[:n])
		u.Identities[0] = primary
	}
}

// User reads a user with their identities, [ErrNotFound] when there is none.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	return s.oneUser(ctx, "u.id = ?", id)
}

// UserByAddress reads the user whom a proof of the address would sign in, [ErrNotFound] when there is none.
func (s *Store) UserByAddress(ctx context.Context, a grants.Address) (User, error) {
	return s.oneUser(ctx, `u.id = (SELECT i.user_id FROM identities i WHERE i.address = ? AND i.channel = ? AND `+findsUser+`
		ORDER BY i.created_at, i.user_id LIMIT 1)`, a.Value, string(a.Channel))
}

func (s *Store) oneUser(ctx context.Context, where string, args ...any) (User, error) {
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+
		" FROM users u LEFT JOIN identities i ON i.user_id = u.id WHERE "+where+userIdentityOrder, args...))
	if err != nil {
		return User{}, failed("reading user", err)
	}
	if len(rows) == 0 {
		return User{}, fmt.Errorf("reading user: %w", ErrNotFound)
	}
	return users(rows)[0], nil
}

// Users reads at most limit users in the order of their ids, from the first one after the given id.
func (s *Store) Users(ctx context.Context, after string, limit int) ([]User, error) {
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+` FROM (SELECT `+userColumns+` FROM users u WHERE u.id > ?
		ORDER BY u.id LIMIT ?) u LEFT JOIN identities i ON i.user_id = u.id`+userIdentityOrder, after, limit))
	return users(rows), failed("reading users", err)
}

// CreateUser adds a user with a first identity. [ErrExists] when the id is, or ever was, or the address is, somebody's.
func (s *Store) CreateUser(ctx context.Context, id string, identity Identity) error {
	return s.AddAccount(ctx, Account{User: User{ID: id, Identities: []Identity{identity}}}, grants.Event{Type: EventUserCreated})
}

// lockUser holds a user's row until the transaction ends. [ErrNotFound].
func (s *Store) lockUser(ctx context.Context, id string) error {
	_, err := readOne[text](s.query(ctx).Raw("SELECT id FROM users WHERE id = ?"+s.forUpdate(), id))
	return failed("reading user", err)
}

// endAdoption holds a locked user to the rule that all of their identities are adoptable or none, after one of them may
// have become verified or was another user's.
func (s *Store) endAdoption(ctx context.Context, userID string) error {
	_, err := s.exec(ctx, "ending adoption", `UPDATE identities SET adoptable = FALSE WHERE user_id = ? AND adoptable
		AND EXISTS (SELECT 1 FROM identities o WHERE o.user_id = identities.user_id AND NOT o.adoptable)`, userID)
	return err
}

// SetBlocked blocks or unblocks a user. Either way all their sessions end and their authorizations are revoked:
// nothing from before the block lives on after it. Does nothing when it is so already. [ErrNotFound].
func (s *Store) SetBlocked(ctx context.Context, id string, blocked bool) error {
	_, err := s.UpdateAccount(ctx, id, grants.Event{}, func(a *Account) error {
		a.Blocked = blocked
		return nil
	})
	return err
}

// endAll ends all that a user has open.
func (s *Store) endAll(ctx context.Context, userID string, now time.Time) error {
	_, err := s.exec(ctx, "ending sessions", "UPDATE sessions SET ended_at = ? WHERE user_id = ? AND ended_at = 0", micros(now), userID)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, "revoking authorizations", "UPDATE authorizations SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0", micros(now), userID)
	return err
}

// DeleteUser removes a user and their identities and ends all that they have open. The id is remembered and never
// given again. [ErrNotFound].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if err := s.lockUser(ctx, id); err != nil {
			return err
		}
		if err := s.removeUser(ctx, id, s.now()); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventUserDeleted, Time: s.now(), UserID: id})
	})
}

// removeUser ends all that a user has open and removes them. Their identities go with them.
func (s *Store) removeUser(ctx context.Context, id string, now time.Time) error {
	if err := s.endAll(ctx, id, now); err != nil {
		return err
	}
	if _, err := s.exec(ctx, "deleting user", "DELETE FROM users WHERE id = ?", id); err != nil {
		return err
	}
	_, err := s.exec(ctx, "remembering deleted user", "INSERT INTO deleted_users (id, deleted_at) VALUES (?, ?)", id, micros(now))
	return err
}
