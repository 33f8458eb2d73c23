package storage

import (
	"context"
	"fmt"
	"slices"

	"sallyport/grants"
)

// LinkIdentity gives a further address to a user. [ErrExists] when another user has it, [ErrNotFound] without the user.
func (s *Store) LinkIdentity(ctx context.Context, userID string, i Identity) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if err := s.lockUser(ctx, userID); err != nil {
			return err
		}
		i.ID = newIdentityID()
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
		if err := s.endAdoption(ctx, userID); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventIdentityLinked, Time: s.now(), UserID: userID, Address: i.Address.Masked()})
	})
}

// UnlinkIdentity takes an address from a user, and ends all that they have open: who loses an address may be who opened
// it. [ErrNotFound] when they do not have it, [ErrLastIdentity] when no other could sign them in.
func (s *Store) UnlinkIdentity(ctx context.Context, userID string, a grants.Address) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		u, err := s.lockedUser(ctx, userID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.Address == a }) {
			return fmt.Errorf("unlinking identity: %w", ErrNotFound)
		}
		_, err = s.exec(ctx, "unlinking identity", "DELETE FROM identities WHERE user_id = ? AND address = ? AND channel = ?", userID, a.Value, string(a.Channel))
		if err == nil {
			err = s.canSignIn(ctx, userID)
		}
		if err != nil {
			return err
		}
		if err := s.endAll(ctx, userID, s.now()); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventIdentityUnlinked, Time: s.now(), UserID: userID, Address: a.Masked()})
	})
}

// canSignIn is [ErrLastIdentity] when no identity that a locked user has left could sign them in.
func (s *Store) canSignIn(ctx context.Context, userID string) error {
	left, err := readOne[flag](s.query(ctx).Raw("SELECT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = ? AND "+findsUser+")", userID))
	if err == nil && !left.is {
		return fmt.Errorf("unlinking identity: %w", ErrLastIdentity)
	}
	return failed("reading identities", err)
}

// lockedUser reads a user and holds them until the transaction ends, and writes down the ids of their identities.
func (s *Store) lockedUser(ctx context.Context, id string) (User, error) {
	if err := s.lockUser(ctx, id); err != nil {
		return User{}, err
	}
	u, err := s.User(ctx, id)
	for _, i := range u.Identities {
		if err == nil {
			_, err = s.exec(ctx, "naming identity", "UPDATE identities SET id = ? WHERE address = ? AND connection = ? AND id = ''", i.ID, i.Address.Value, i.Connection)
		}
	}
	return u, err
}

// LinkAccounts makes one user of two: the secondary's identities become further ones of the primary, its own profile is
// kept with the one it was named after, and its row and metadata go. All that the secondary has open ends, and its id
// is given again only by [Store.UnlinkAccount]. The event's user is the primary. [ErrNotFound]; [ErrExists] when the
// two are one.
func (s *Store) LinkAccounts(ctx context.Context, primary, secondary string, e grants.Event) (Account, error) {
	var linked Account
	err := s.Tx(ctx, func(ctx context.Context) error {
		e := e // a run that begins again names who is there then
		if primary == secondary {
			return fmt.Errorf("linking accounts: a user and themselves: %w", ErrExists)
		}
		u, err := s.lockPair(ctx, primary, secondary)
		if err != nil {
			return err
		}
		if err := s.moveAll(ctx, u, primary); err != nil {
			return err
		}
		if e.Address == "" && len(u.Identities) > 0 {
			e.Address = u.Identities[0].Address.Masked()
		}
		if err := s.endAdoption(ctx, primary); err != nil {
			return err
		}
		if err := s.removeUser(ctx, secondary, s.now()); err != nil {
			return err
		}
		if err := s.noteLift(ctx, u, primary, e); err != nil {
			return err
		}
		e.UserID, e.Detail = primary, secondary
		linked, err = s.touched(ctx, primary, e, EventIdentityLinked)
		return err
	})
	return linked, err
}

// noteLift writes that a blocked user's addresses sign in another one from now on.
func (s *Store) noteLift(ctx context.Context, u User, primary string, e grants.Event) error {
	if !u.Blocked {
		return nil
	}
	return s.Append(ctx, grants.Event{
		Type: EventUserUnblocked, ClientID: e.ClientID, UserID: u.ID, IP: e.IP, RequestID: e.RequestID, Detail: "linked to " + primary,
	})
}

// lockPair holds two users, in the order in which everybody does, and reads the secondary.
func (s *Store) lockPair(ctx context.Context, primary, secondary string) (User, error) {
	for _, id := range []string{min(primary, secondary), max(primary, secondary)} {
		if err := s.lockUser(ctx, id); err != nil {
			return User{}, err
		}
	}
	return s.lockedUser(ctx, secondary)
}

// moveAll gives a user's identities to another one. The first keeps the profile of the user that it was.
func (s *Store) moveAll(ctx context.Context, u User, to string) error {
	for n, i := range u.Identities {
		if n == 0 {
			i.Profile = &u.Profile
		}
		if err := s.move(ctx, i, to); err != nil {
			return err
		}
	}
	return nil
}

// move gives an identity to another user.
func (s *Store) move(ctx context.Context, i Identity, to string) error {
	profile, err := profileOf(i)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, "moving identity", "UPDATE identities SET user_id = ?, profile = ? WHERE address = ? AND connection = ?",
		to, profile, i.Address.Value, i.Connection)
	return err
}

// touched notes that a locked user was changed, with the event that says how, and reads them.
func (s *Store) touched(ctx context.Context, id string, e grants.Event, kind string) (Account, error) {
	if e.Type == "" {
		e.Type = kind
	}
	e.Time = s.now()
	if _, err := s.exec(ctx, "updating user", "UPDATE users SET updated_at = ? WHERE id = ?", micros(s.now()), id); err != nil {
		return Account{}, err
	}
	if err := s.Append(ctx, e); err != nil {
		return Account{}, err
	}
	return s.Account(ctx, id)
}

// UnlinkAccount makes an identity of a user the user again that it was, or is by itself, with the id provider|identityID
// and the profile that was kept with it. All that the primary has open ends: it may have been opened by the identity
// that leaves. The event's user is the primary. [ErrNotFound] when they do not have the identity; [ErrLastIdentity] when
// it is the one that they are named after, or no other could sign them in.
func (s *Store) UnlinkAccount(ctx context.Context, primary, provider, identityID string, e grants.Event) (Account, error) {
	var left Account
	err := s.Tx(ctx, func(ctx context.Context) error {
		u, err := s.lockedUser(ctx, primary)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.Connection == provider && i.ID == identityID })
		if n < 0 {
			return fmt.Errorf("unlinking account: %w", ErrNotFound)
		}
		i := u.Identities[n]
		if i.UserID() == primary {
			return fmt.Errorf("unlinking account: %w", ErrLastIdentity)
		}
		if err := s.restore(ctx, i); err != nil {
			return err
		}
		if err := s.canSignIn(ctx, primary); err != nil {
			return err
		}
		if err := s.endAll(ctx, primary, s.now()); err != nil {
			return err
		}
		e.UserID, e.Detail, e.Address = primary, i.UserID(), i.Address.Masked()
		left, err = s.touched(ctx, primary, e, EventIdentityUnlinked)
		return err
	})
	return left, err
}

// restore makes the user that an identity is by itself.
func (s *Store) restore(ctx context.Context, i Identity) error {
	if _, err := s.exec(ctx, "giving an id back", "DELETE FROM deleted_users WHERE id = ?", i.UserID()); err != nil {
		return err
	}
	own := Account{User: User{ID: i.UserID(), CreatedAt: i.CreatedAt, UpdatedAt: s.now()}}
	if i.Profile != nil {
		own.Profile = *i.Profile
	}
	if err := s.insertUser(ctx, own); err != nil {
		return err
	}
	i.Profile = nil
	return s.move(ctx, i, own.ID)
}
