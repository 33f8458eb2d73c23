package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/grants"
)

// ImportStatus is what became of one account of an import.
type ImportStatus string

// What can become of an account.
const (
	ImportAdded     ImportStatus = "added"
	ImportUnchanged ImportStatus = "unchanged" // it was there, and is the same
	ImportDiffers   ImportStatus = "differs"   // it was there, and was kept as it is
	ImportUpdated   ImportStatus = "updated"
	ImportRefused   ImportStatus = "refused"
)

// ImportResult is what became of one account, and why, or what is different.
type ImportResult struct {
	Status ImportStatus
	Reason string
}

// ImportAccounts adds accounts, at most a few thousand, in one transaction, and gives the result of each. An account
// that is there already is kept; with update its profile, metadata and block become the import's, and what the import
// calls verified becomes so. Addresses of it are never changed. Doing it again changes nothing.
func (s *Store) ImportAccounts(ctx context.Context, batch []Account, update bool) ([]ImportResult, error) {
	var results []ImportResult
	err := s.Tx(ctx, func(ctx context.Context) error {
		k, err := s.knownOf(ctx, batch)
		if err != nil {
			return err
		}
		results = make([]ImportResult, len(batch))
		var fresh []Account
		for n, a := range batch {
			if results[n] = k.judge(a); results[n].Status == ImportAdded {
				fresh = append(fresh, a)
				k.add(a)
				continue
			}
			if update && results[n].Status == ImportDiffers && !k.fresh[a.ID] {
				if results[n], err = s.overwrite(ctx, k.users[a.ID], a, results[n]); err != nil {
					return err
				}
			}
		}
		if err := s.insertAccounts(ctx, fresh); err != nil {
			return err
		}
		return s.noteImport(ctx, results)
	})
	if err != nil {
		return nil, fmt.Errorf("importing accounts: %w", err)
	}
	return results, nil
}

// known is what is stored already of a batch.
type known struct {
	users  map[string]Account
	owners map[identityKey]string // ids of users
	gone   map[string]bool        // ids that were deleted or linked to others
	fresh  map[string]bool        // ids of this very batch
}

type identityKey struct{ connection, address string }

func keyOf(i Identity) identityKey { return identityKey{i.Connection, i.Address.Value} }

type ownedRow struct {
	key    identityKey
	userID string
}

func (r *ownedRow) fields() []any { return []any{&r.key.address, &r.key.connection, &r.userID} }

func (s *Store) knownOf(ctx context.Context, batch []Account) (*known, error) {
	var ids, addresses []string
	for _, a := range batch {
		ids = append(append(ids, a.ID), a.linked()...)
		for _, i := range a.Identities {
			addresses = append(addresses, i.Address.Value)
		}
	}
	k := &known{users: map[string]Account{}, owners: map[identityKey]string{}, gone: map[string]bool{}, fresh: map[string]bool{}}
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+
		" FROM users u LEFT JOIN identities i ON i.user_id = u.id WHERE u.id IN ?"+userIdentityOrder, ids))
	if err != nil {
		return nil, failed("reading users", err)
	}
	if len(rows) > 0 {
		accounts, err := s.stored(ctx, users(rows))
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			k.users[a.ID] = a
		}
	}
	gone, err := read[text](s.query(ctx).Raw("SELECT id FROM deleted_users WHERE id IN ?", ids))
	if err != nil {
		return nil, failed("reading deleted users", err)
	}
	for _, r := range gone {
		k.gone[r.is] = true
	}
	owned, err := read[ownedRow](s.query(ctx).Raw("SELECT address, connection, user_id FROM identities WHERE address IN ?", addresses))
	for _, r := range owned {
		k.owners[r.key] = r.userID
	}
	return k, failed("reading identities", err)
}

// judge says what is to become of an account.
func (k *known) judge(a Account) ImportResult {
	if have, ok := k.users[a.ID]; ok {
		if what := differences(have, a); len(what) > 0 {
			return ImportResult{ImportDiffers, strings.Join(what, ", ")}
		}
		return ImportResult{Status: ImportUnchanged}
	}
	if k.gone[a.ID] {
		return ImportResult{ImportRefused, "the user was deleted here, or linked to another one"}
	}
	own := map[string]bool{}
	for _, id := range a.linked() {
		if _, there := k.users[id]; there || k.gone[id] || own[id] {
			return ImportResult{ImportRefused, "its identity " + id + " is or was a user here, or another identity"}
		}
		own[id] = true
	}
	for _, i := range a.Identities {
		if owner, taken := k.owners[keyOf(i)]; taken {
			return ImportResult{ImportRefused, fmt.Sprintf("%s belongs to the user %s", i.Address.Masked(), owner)}
		}
	}
	return ImportResult{Status: ImportAdded}
}

// add notes an account that is about to be written.
func (k *known) add(a Account) {
	k.users[a.ID], k.fresh[a.ID] = a, true
	for _, i := range a.Identities {
		k.owners[keyOf(i)] = a.ID
	}
	for _, id := range a.linked() {
		k.gone[id] = true
	}
}

// linked are the ids of the users that an account's identities were, beside its own.
func (a Account) linked() []string {
	var ids []string
	for _, i := range a.Identities {
		if i.ID != "" && i.UserID() != a.ID {
			ids = append(ids, i.UserID())
		}
	}
	return ids
}

// differences names what of a stored account an import has otherwise. What changes by signing in here, a proof of an
// address or a later login, is none.
func differences(have, a Account) []string {
	var what []string
	add := func(name string, differs bool) {
		if differs && !slices.Contains(what, name) {
			what = append(what, name)
		}
	}
	add("name", have.Profile.Name != a.Profile.Name)
	add("given_name", have.Profile.GivenName != a.Profile.GivenName)
	add("family_name", have.Profile.FamilyName != a.Profile.FamilyName)
	add("nickname", have.Profile.Nickname != a.Profile.Nickname)
	add("picture", have.Profile.Picture != a.Profile.Picture)
	add("locale", have.Profile.Locale != a.Profile.Locale)
	add("user_metadata", !sameJSON(have.UserMetadata, a.UserMetadata))
	add("app_metadata", !sameJSON(have.AppMetadata, a.AppMetadata))
	add("blocked", have.Blocked != a.Blocked)
	for _, i := range a.Identities {
		n := slices.IndexFunc(have.Identities, func(h Identity) bool { return keyOf(h) == keyOf(i) })
		add("address", n < 0)
		add("verified", n >= 0 && have.Identities[n].VerifiedAt.IsZero() && !i.VerifiedAt.IsZero())
	}
	add("last_login", moment(micros(a.LastLogin)).After(have.LastLogin) || a.LoginsCount > have.LoginsCount)
	return what
}

// overwrite makes a stored account what an import says, but for its addresses.
func (s *Store) overwrite(ctx context.Context, have, a Account, differs ImportResult) (ImportResult, error) {
	if differs.Reason == "address" {
		return differs, nil
	}
	_, err := s.UpdateAccount(ctx, a.ID, grants.Event{Detail: "import"}, func(stored *Account) error {
		stored.Profile, stored.UserMetadata, stored.AppMetadata, stored.Blocked = a.Profile, a.UserMetadata, a.AppMetadata, a.Blocked
		for _, i := range a.Identities {
			for n := range stored.Identities {
				if h := &stored.Identities[n]; keyOf(*h) == keyOf(i) && h.VerifiedAt.IsZero() {
					h.VerifiedAt = i.VerifiedAt
				}
			}
		}
		return nil
	})
	if err != nil {
		return ImportResult{}, err
	}
	if a.LastLogin.After(have.LastLogin) {
		have.LastLogin, have.LastIP = a.LastLogin, a.LastIP
	}
	_, err = s.exec(ctx, "updating logins", "UPDATE users SET last_login = ?, last_ip = ?, logins_count = ? WHERE id = ?",
		micros(have.LastLogin), have.LastIP, max(have.LoginsCount, a.LoginsCount), a.ID)
	return ImportResult{ImportUpdated, strings.ReplaceAll(differs.Reason, "address", "address (kept)")}, err
}

// insertAccounts writes new accounts. Where somebody takes an id or an address at this very moment, all is tried again.
func (s *Store) insertAccounts(ctx context.Context, accounts []Account) error {
	var people, identities, gone [][]any
	for _, a := range accounts {
		if a.CreatedAt.IsZero() {
			a.CreatedAt = s.now()
		}
		row, err := userValues(a)
		if err != nil {
			return err
		}
		people = append(people, row)
		for _, id := range a.linked() { // as when they are linked here
			gone = append(gone, []any{id, micros(s.now())})
		}
		for _, i := range a.fresh() {
			row, err := identityValues(a.ID, i)
			if err != nil {
				return err
			}
			identities = append(identities, row)
		}
	}
	if err := s.insertRows(ctx, "users", insertUserColumns, people); err != nil {
		return err
	}
	if err := s.insertRows(ctx, "deleted_users", "id, deleted_at", gone); err != nil {
		return err
	}
	return s.insertRows(ctx, "identities", insertIdentityColumns, identities)
}

// insertRows inserts many rows with few statements, of a few sizes only: each text is prepared once and kept.
func (s *Store) insertRows(ctx context.Context, table, columns string, rows [][]any) error {
	for _, size := range []int{256, 32, 4, 1} {
		for len(rows) >= size {
			one := "(" + repeated("?", len(rows[0])) + ")"
			statement := "INSERT INTO " + table + " (" + columns + ") VALUES " + repeated(one, size) + " ON CONFLICT DO NOTHING"
			n, err := s.exec(ctx, "importing "+table, statement, slices.Concat(rows[:size]...)...)
			if err == nil && n < int64(size) {
				return errAgain
			}
			if err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}

// noteImport writes one event for a batch that changed something.
func (s *Store) noteImport(ctx context.Context, results []ImportResult) error {
	n := map[ImportStatus]int{}
	for _, r := range results {
		n[r.Status]++
	}
	if n[ImportAdded]+n[ImportUpdated] == 0 {
		return nil
	}
	return s.Append(ctx, grants.Event{Type: EventUsersImported, Detail: fmt.Sprintf("added %d, updated %d", n[ImportAdded], n[ImportUpdated])})
}
