package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sallyport/grants"
)

// Account is a user with what only administration reads.
type Account struct {
	User

	UserMetadata, AppMetadata json.RawMessage // objects; empty ones where nil

	// When and from where they last signed in, and how often: what an import brought and what the audit log adds.
	LastLogin   time.Time
	LastIP      string
	LoginsCount int
}

// accountRow is what an account has beyond its user, with the logins that the audit log does not have.
type accountRow struct {
	ID           string
	UserMetadata string
	AppMetadata  string
	LastLogin    int64
	LastIP       string
	LoginsCount  int
}

func (r *accountRow) fields() []any {
	return []any{&r.ID, &r.UserMetadata, &r.AppMetadata, &r.LastLogin, &r.LastIP, &r.LoginsCount}
}

// loginsRow sums up the logins of a user in the audit log.
type loginsRow struct {
	userID string
	n      int
	last   int64
	ip     string
}

func (r *loginsRow) fields() []any { return []any{&r.userID, &r.n, &r.last, &r.ip} }

// Account reads a user with all that is kept about them. [ErrNotFound].
func (s *Store) Account(ctx context.Context, id string) (Account, error) {
	u, err := s.User(ctx, id)
	if err != nil {
		return Account{}, err
	}
	page, err := s.accounts(ctx, []User{u})
	if err != nil {
		return Account{}, err
	}
	if len(page) == 0 {
		return Account{}, fmt.Errorf("reading account: %w", ErrNotFound) // deleted just now
	}
	return page[0], nil
}

// accounts completes users to accounts, with two statements for all of them.
func (s *Store) accounts(ctx context.Context, of []User) ([]Account, error) {
	if len(of) == 0 {
		return nil, nil
	}
	out, err := s.stored(ctx, of)
	if err != nil {
		return nil, err
	}
	logins, err := read[loginsRow](s.query(ctx).Raw(`SELECT g.user_id, g.n, e.time, e.ip FROM (SELECT user_id, COUNT(*) AS n, MAX(id) AS last
		FROM events WHERE user_id IN ? AND user_id <> '' AND type = ? GROUP BY user_id) g JOIN events e ON e.id = g.last`, idsOf(of), grants.EventSucceeded))
	if err != nil {
		return nil, failed("reading logins", err)
	}
	for n := range out {
		a := &out[n]
		if i := slices.IndexFunc(logins, func(r loginsRow) bool { return r.userID == a.ID }); i >= 0 {
			a.LastLogin, a.LastIP, a.LoginsCount = moment(logins[i].last), logins[i].ip, a.LoginsCount+logins[i].n
		}
	}
	return out, nil
}

// stored completes users to accounts without the logins of the audit log.
func (s *Store) stored(ctx context.Context, of []User) ([]Account, error) {
	rows, err := read[accountRow](s.query(ctx).Raw("SELECT id, user_metadata, app_metadata, last_login, last_ip, logins_count FROM users WHERE id IN ?", idsOf(of)))
	if err != nil {
		return nil, failed("reading accounts", err)
	}
	byID := make(map[string]accountRow, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	var out []Account
	for _, u := range of {
		if r, ok := byID[u.ID]; ok {
			out = append(out, Account{
				User: u, UserMetadata: json.RawMessage(r.UserMetadata), AppMetadata: json.RawMessage(r.AppMetadata),
				LastLogin: moment(r.LastLogin), LastIP: r.LastIP, LoginsCount: r.LoginsCount,
			})
		}
	}
	return out, nil
}

func idsOf(users []User) []string {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	return ids
}

// AddAccount writes a new user with all that the account says; where it leaves out when it was made, that is now. The
// event's user is filled in. [ErrExists] when the id is, or ever was, or an address is, somebody's.
func (s *Store) AddAccount(ctx context.Context, a Account, e grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if a.CreatedAt.IsZero() {
			a.CreatedAt = s.now()
		}
		if err := s.insertUser(ctx, a); err != nil {
			return err
		}
		e.UserID = a.ID
		for _, i := range a.fresh() {
			taken, err := s.insertIdentity(ctx, a.ID, i)
			if err != nil {
				return err
			}
			if taken {
				return fmt.Errorf("creating user: address: %w", ErrExists)
			}
			if e.Address == "" {
				e.Address = i.Address.Masked()
			}
		}
		return s.Append(ctx, e)
	})
}

// userValues are the columns of a new user, in the order of insertUserColumns.
func userValues(a Account) ([]any, error) {
	profile, err := encode(a.Profile)
	if err != nil {
		return nil, fmt.Errorf("writing profile: %w", err)
	}
	blocked := a.BlockedAt
	if a.Blocked && blocked.IsZero() {
		blocked = a.CreatedAt
	}
	return []any{
		a.ID, micros(blocked), micros(a.CreatedAt), micros(a.UpdatedAt), profile, objectText(a.UserMetadata), objectText(a.AppMetadata),
		micros(a.LastLogin), a.LastIP, a.LoginsCount,
	}, nil
}

const insertUserColumns = "id, blocked_at, created_at, updated_at, profile, user_metadata, app_metadata, last_login, last_ip, logins_count"

// insertUser writes the row of a user whose id nobody has or ever had.
func (s *Store) insertUser(ctx context.Context, a Account) error {
	used, err := readOne[flag](s.query(ctx).Raw("SELECT EXISTS (SELECT 1 FROM deleted_users WHERE id = ?)", a.ID))
	if err != nil {
		return failed("reading deleted users", err)
	}
	if used.is {
		return fmt.Errorf("creating user: id was used before: %w", ErrExists)
	}
	values, err := userValues(a)
	if err != nil {
		return err
	}
	n, err := s.exec(ctx, "creating user", "INSERT INTO users ("+insertUserColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", values...)
	if err == nil && n == 0 {
		return fmt.Errorf("creating user: id: %w", ErrExists)
	}
	return err
}

// identityValues are the columns of a new identity, in the order of insertIdentityColumns.
func identityValues(userID string, i Identity) ([]any, error) {
	profile, err := profileOf(i)
	if err != nil {
		return nil, err
	}
	return []any{i.ID, i.Address.Value, i.Connection, string(i.Address.Channel), userID, micros(i.VerifiedAt), micros(i.CreatedAt), profile, i.adoptable}, nil
}

const insertIdentityColumns = "id, address, connection, channel, user_id, verified_at, created_at, profile, adoptable"

// insertIdentity gives an address to a user, unless it is taken.
func (s *Store) insertIdentity(ctx context.Context, userID string, i Identity) (taken bool, err error) {
	values, err := identityValues(userID, i)
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, "creating identity", "INSERT INTO identities ("+insertIdentityColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address, connection) DO NOTHING",
		values...)
	return n == 0, err
}

// UpdateAccount changes a user's profile, metadata, block and addresses to what change makes of them: as many
// identities as before, in the same order. What it sets elsewhere is not looked at. Blocking, unblocking, or taking an
// address or its being verified away ends all their sessions and revokes their authorizations.
//
// The event tells of what changed beside the block, which has events of its own; without a type it is
// [EventUserUpdated]. Where nothing changes nothing is written. An error of change comes back as it is. [ErrNotFound];
// [ErrExists] when somebody has an address.
func (s *Store) UpdateAccount(ctx context.Context, id string, e grants.Event, change func(*Account) error) (Account, error) {
	var after Account
	err := s.Tx(ctx, func(ctx context.Context) error {
		if err := s.lockUser(ctx, id); err != nil {
			return err
		}
		before, err := s.Account(ctx, id)
		if err != nil {
			return err
		}
		after = before
		after.Identities = slices.Clone(before.Identities)
		if err := change(&after); err != nil {
			return err
		}
		return s.rewrite(ctx, before, &after, e)
	})
	if err != nil {
		return Account{}, err
	}
	return after, nil
}

// rewrite writes what is different between two states of an account, whose user is locked.
func (s *Store) rewrite(ctx context.Context, before Account, after *Account, e grants.Event) error {
	if len(after.Identities) != len(before.Identities) {
		return fmt.Errorf("updating account: %w: identities are linked and unlinked, not updated", ErrInvalid)
	}
	now := s.now()
	e.UserID, e.Time = before.ID, now
	changed := after.Profile != before.Profile || !sameJSON(before.UserMetadata, after.UserMetadata) || !sameJSON(before.AppMetadata, after.AppMetadata)
	ended := after.Blocked != before.Blocked
	for n, i := range before.Identities {
		moved, err := s.rewriteIdentity(ctx, before.ID, i, &after.Identities[n])
		if err != nil {
			return err
		}
		changed = changed || moved
		ended = ended || after.Identities[n].Address != i.Address || after.Identities[n].VerifiedAt.IsZero() && !i.VerifiedAt.IsZero()
	}
	if !changed && after.Blocked == before.Blocked {
		return nil
	}
	if after.UpdatedAt = now; after.Blocked != before.Blocked {
		if err := s.noteBlock(ctx, after, e); err != nil {
			return err
		}
	}
	if err := s.updateUser(ctx, *after); err != nil {
		return err
	}
	if ended {
		if err := s.endAll(ctx, before.ID, now); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	if e.Type == "" {
		e.Type = EventUserUpdated
	}
	return s.Append(ctx, e)
}

// noteBlock sets since when a user is blocked, and writes that into the audit log.
func (s *Store) noteBlock(ctx context.Context, after *Account, e grants.Event) error {
	e.Type, after.BlockedAt = EventUserUnblocked, time.Time{}
	if after.Blocked {
		e.Type, after.BlockedAt = EventUserBlocked, e.Time
	}
	return s.Append(ctx, e)
}

func (s *Store) updateUser(ctx context.Context, a Account) error {
	profile, err := encode(a.Profile)
	if err != nil {
		return fmt.Errorf("writing profile: %w", err)
	}
	_, err = s.exec(ctx, "updating user", "UPDATE users SET blocked_at = ?, updated_at = ?, profile = ?, user_metadata = ?, app_metadata = ? WHERE id = ?",
		micros(a.BlockedAt), micros(a.UpdatedAt), profile, objectText(a.UserMetadata), objectText(a.AppMetadata), a.ID)
	return err
}

// rewriteIdentity writes another address, or when it was verified, of a locked user's identity.
func (s *Store) rewriteIdentity(ctx context.Context, userID string, before Identity, after *Identity) (changed bool, err error) {
	address, verified := after.Address, after.VerifiedAt
	*after = before
	after.Address, after.VerifiedAt = address, verified
	if after.Address == before.Address && after.VerifiedAt.Equal(before.VerifiedAt) {
		return false, nil
	}
	if address.Channel != before.Address.Channel {
		return false, fmt.Errorf("updating account: %w: another channel is another identity", ErrInvalid)
	}
	_, err = s.exec(ctx, "updating identity", `UPDATE identities SET id = ?, address = ?, verified_at = ?, adoptable = adoptable AND ?
		WHERE address = ? AND connection = ? AND user_id = ?`, after.ID, address.Value, micros(verified), verified.IsZero(), before.Address.Value, before.Connection, userID)
	if err == nil {
		err = s.endAdoption(ctx, userID)
	}
	return true, err
}
