package storage

import (
	"context"
	"fmt"
	"time"

	"sallyport/grants"
)

// User is a person with an account.
type User struct {
	ID                   string // the sub, never reused
	Blocked              bool
	BlockedAt, CreatedAt time.Time
	Identities           []Identity // oldest first
}

// Identity is an address that a user has proved. No two users have the same.
type Identity struct {
	Connection            string // email or sms
	Address               grants.Address
	VerifiedAt, CreatedAt time.Time
}

type userRow struct {
	ID        string
	BlockedAt int64
	CreatedAt int64
}

func (r *userRow) fields() []any { return []any{&r.ID, &r.BlockedAt, &r.CreatedAt} }

func (r userRow) user() User {
	return User{ID: r.ID, Blocked: r.BlockedAt != 0, BlockedAt: moment(r.BlockedAt), CreatedAt: moment(r.CreatedAt)}
}

type identityRow struct {
	Address    string
	Connection string
	Channel    grants.Channel
	UserID     string
	VerifiedAt int64
	CreatedAt  int64
}

func (r identityRow) identity() Identity {
	return Identity{
		Connection: r.Connection, Address: grants.Address{Channel: r.Channel, Value: r.Address},
		VerifiedAt: moment(r.VerifiedAt), CreatedAt: moment(r.CreatedAt),
	}
}

// userIdentityRow is one row of a user joined with their identities; the identity of a user without one is empty.
type userIdentityRow struct {
	User     userRow
	Identity identityRow
}

const (
	userIdentityColumns = `u.id, u.blocked_at, u.created_at, COALESCE(i.address, ''), COALESCE(i.connection, ''),
		COALESCE(i.channel, ''), COALESCE(i.user_id, ''), COALESCE(i.verified_at, 0), COALESCE(i.created_at, 0)`
	userIdentityOrder = ` ORDER BY u.id, i.created_at, i.address`
)

func (r *userIdentityRow) fields() []any {
	i := &r.Identity
	return append(r.User.fields(), &i.Address, &i.Connection, &i.Channel, &i.UserID, &i.VerifiedAt, &i.CreatedAt)
}

// users folds joined rows, ordered by user, into users.
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
	return out
}

// User reads a user with their identities, [ErrNotFound] when there is none.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	return s.oneUser(ctx, "u.id = ?", id)
}

// UserByAddress reads the user who has proved an address, [ErrNotFound] when nobody has.
func (s *Store) UserByAddress(ctx context.Context, a grants.Address) (User, error) {
	return s.oneUser(ctx, `u.id = (SELECT user_id FROM identities WHERE address = ? AND channel = ?
		ORDER BY created_at, user_id LIMIT 1)`, a.Value, string(a.Channel))
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
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+` FROM (SELECT id, blocked_at, created_at FROM users WHERE id > ?
		ORDER BY id LIMIT ?) u LEFT JOIN identities i ON i.user_id = u.id`+userIdentityOrder, after, limit))
	return users(rows), failed("reading users", err)
}

// CreateUser adds a user with a first identity, which counts as verified. [ErrExists] when the id is, or ever was, or
// the address is, somebody's.
func (s *Store) CreateUser(ctx context.Context, id string, identity Identity) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if err := s.insertUser(ctx, id, s.now()); err != nil {
			return err
		}
		taken, err := s.insertIdentity(ctx, id, identity)
		if err != nil {
			return err
		}
		if taken {
			return fmt.Errorf("creating user: address: %w", ErrExists)
		}
		return s.Append(ctx, grants.Event{Type: EventUserCreated, Time: s.now(), UserID: id, Address: identity.Address.Masked()})
	})
}

// insertUser writes a user whose id nobody has or ever had.
func (s *Store) insertUser(ctx context.Context, id string, now time.Time) error {
	used, err := readOne[flag](s.query(ctx).Raw("SELECT EXISTS (SELECT 1 FROM deleted_users WHERE id = ?)", id))
	if err != nil {
		return failed("reading deleted users", err)
	}
	if used.is {
		return fmt.Errorf("creating user: id was used before: %w", ErrExists)
	}
	n, err := s.exec(ctx, "creating user", "INSERT INTO users (id, blocked_at, created_at) VALUES (?, 0, ?) ON CONFLICT (id) DO NOTHING", id, micros(now))
	if err == nil && n == 0 {
		return fmt.Errorf("creating user: id: %w", ErrExists)
	}
	return err
}

// insertIdentity gives an address to a user, unless it is taken.
func (s *Store) insertIdentity(ctx context.Context, userID string, i Identity) (taken bool, err error) {
	n, err := s.exec(ctx, "creating identity", `INSERT INTO identities (address, connection, channel, user_id, verified_at, created_at)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (address, connection) DO NOTHING`,
		i.Address.Value, i.Connection, string(i.Address.Channel), userID, micros(i.VerifiedAt), micros(i.CreatedAt))
	return n == 0, err
}

// lockUser reads a user and holds their row until the transaction ends.
func (s *Store) lockUser(ctx context.Context, id string) (userRow, error) {
	row, err := readOne[userRow](s.query(ctx).Raw("SELECT id, blocked_at, created_at FROM users WHERE id = ?"+s.forUpdate(), id))
	return row, failed("reading user", err)
}

// SetBlocked blocks or unblocks a user. Either way all their sessions end and their authorizations are revoked:
// nothing from before the block lives on after it. Does nothing when it is so already. [ErrNotFound].
func (s *Store) SetBlocked(ctx context.Context, id string, blocked bool) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lockUser(ctx, id)
		if err != nil || (row.BlockedAt != 0) == blocked {
			return err
		}
		now := s.now()
		event, at := EventUserUnblocked, time.Time{}
		if blocked {
			event, at = EventUserBlocked, now
		}
		if _, err := s.exec(ctx, "blocking user", "UPDATE users SET blocked_at = ? WHERE id = ?", micros(at), id); err != nil {
			return err
		}
		if err := s.endAll(ctx, id, now); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: event, Time: now, UserID: id})
	})
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

// LinkIdentity gives a further address to a user. [ErrExists] when another user has it, [ErrNotFound] without the user.
func (s *Store) LinkIdentity(ctx context.Context, userID string, i Identity) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lockUser(ctx, userID); err != nil {
			return err
		}
		taken, err := s.insertIdentity(ctx, userID, i)
		if err != nil {
			return err
		}
		if taken {
			owner, err := readOne[text](s.query(ctx).Raw("SELECT user_id FROM identities WHERE address = ? AND connection = ?", i.Address.Value, i.Connection))
			if err == nil && owner.is != userID {
				return fmt.Errorf("linking identity: %w", ErrExists)
			}
			return failed("reading identity", err)
		}
		return s.Append(ctx, grants.Event{Type: EventIdentityLinked, Time: s.now(), UserID: userID, Address: i.Address.Masked()})
	})
}

// UnlinkIdentity takes an address from a user. [ErrNotFound] when they do not have it, [ErrLastIdentity] when they have
// no other.
func (s *Store) UnlinkIdentity(ctx context.Context, userID string, a grants.Address) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lockUser(ctx, userID); err != nil {
			return err
		}
		n, err := s.exec(ctx, "unlinking identity", "DELETE FROM identities WHERE user_id = ? AND address = ? AND channel = ?", userID, a.Value, string(a.Channel))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("unlinking identity: %w", ErrNotFound)
		}
		left, err := readOne[number](s.query(ctx).Raw("SELECT COUNT(*) FROM identities WHERE user_id = ?", userID))
		if err != nil {
			return failed("counting identities", err)
		}
		if left.is == 0 {
			return fmt.Errorf("unlinking identity: %w", ErrLastIdentity)
		}
		return s.Append(ctx, grants.Event{Type: EventIdentityUnlinked, Time: s.now(), UserID: userID, Address: a.Masked()})
	})
}

// DeleteUser removes a user and their identities and ends all that they have open. The id is remembered and never
// given again. [ErrNotFound].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lockUser(ctx, id); err != nil {
			return err
		}
		now := s.now()
		if err := s.endAll(ctx, id, now); err != nil {
			return err
		}
		// Identities go with the user.
		_, err := s.exec(ctx, "deleting user", "DELETE FROM users WHERE id = ?", id)
		if err != nil {
			return err
		}
		_, err = s.exec(ctx, "remembering deleted user", "INSERT INTO deleted_users (id, deleted_at) VALUES (?, ?)", id, micros(now))
		if err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventUserDeleted, Time: now, UserID: id})
	})
}
