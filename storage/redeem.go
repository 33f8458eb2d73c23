package storage

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"sallyport/grants"
)

// Redeem implements grants.Store.
func (s *Store) Redeem(ctx context.Context, r grants.Redemption, then func(context.Context, grants.User) error) (grants.User, error) {
	var user grants.User
	var refusal error // committed, unlike an error
	err := s.Tx(ctx, func(ctx context.Context) error {
		if err := s.drawGuess(ctx, r.Guess); err != nil {
			return err
		}
		proved, err := s.spend(ctx, r)
		if err == nil {
			err = s.giveBack(ctx, r.Now, proved.wrong, r.GiveBack)
		}
		if err != nil {
			return err
		}
		user, refusal, err = s.userOf(ctx, r, proved)
		if err != nil {
			return err
		}
		event := r.Event
		event.UserID = user.ID
		if refusal != nil {
			event.Type = grants.EventRefused
		}
		if refusal != nil || !proved.repeated { // whoever sends one code a hundred times has signed in once
			err = s.Append(ctx, event)
		}
		if err != nil || refusal != nil {
			return err
		}
		return then(ctx, user)
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return grants.User{}, err
	}
	return user, nil
}

// proved is what a spent challenge says: its connection, and whom its address belongs to, if anybody.
type proved struct {
	userID     string
	connection string
	wrong      int // guesses before this one
	repeated   bool
}

func (p *proved) fields() []any { return []any{&p.userID, &p.connection, &p.wrong} }

// spend uses the challenge up and notes whom it signs in. A challenge that the same proof spent a moment ago counts
// once more, where the redemption allows it.
func (s *Store) spend(ctx context.Context, r grants.Redemption) (proved, error) {
	p, err := readOne[proved](s.query(ctx).Raw(`UPDATE challenges SET attempts = attempts + 1, spent_at = ?, user_id = COALESCE((SELECT i.user_id
		FROM identities i WHERE i.address = challenges.address AND i.connection = challenges.connection AND `+findsUser+`), '')
		WHERE `+openChallenge+` AND address = ? AND channel = ? RETURNING user_id, connection, attempts - 1`,
		micros(r.Now), r.ChallengeID, micros(r.Now), micros(r.Now), r.Address.Value, string(r.Address.Channel)))
	if !errors.Is(err, gorm.ErrRecordNotFound) {
		return p, failed("spending challenge", err)
	}
	if r.RepeatWithin <= 0 {
		return proved{}, grants.ErrNotOpen
	}
	c, err := s.Challenge(ctx, r.ChallengeID)
	if errors.Is(err, grants.ErrNoChallenge) {
		return proved{}, grants.ErrNotOpen
	}
	if err != nil {
		return proved{}, err
	}
	if c.SpentAt.IsZero() || c.UserID == "" || c.Address != r.Address || !justNow(c.SpentAt, r.Now, r.RepeatWithin-1) {
		return proved{}, grants.ErrNotOpen
	}
	return proved{userID: c.UserID, connection: c.Connection, repeated: true}, nil
}

// userOf finds or creates who is signed in, and says why they are not: blocked, or sign-up is closed.
func (s *Store) userOf(ctx context.Context, r grants.Redemption, p proved) (user grants.User, refusal, err error) {
	if p.userID == "" {
		if !r.Signup {
			return grants.User{}, grants.ErrSignupClosed, nil
		}
		user, err := s.signUp(ctx, r, p.connection)
		return user, nil, err
	}
	owner, err := s.lockOwner(ctx, p, r.Address)
	if errors.Is(err, ErrNotFound) && p.repeated {
		return grants.User{}, nil, grants.ErrNotOpen // deleted, or the address was taken away, since
	}
	if errors.Is(err, ErrNotFound) {
		return grants.User{}, nil, errAgain // at this very moment
	}
	if err != nil {
		return grants.User{}, nil, err
	}
	if owner.blockedAt != 0 {
		_, err = s.exec(ctx, "writing challenge", "UPDATE challenges SET user_id = '' WHERE id = ?", r.ChallengeID)
		return grants.User{ID: p.userID}, grants.ErrBlocked, err
	}
	if owner.verifiedAt == 0 {
		err = s.adopt(ctx, p, r)
	}
	return grants.User{ID: p.userID}, nil, err
}

// ownerRow is a user who holds an address.
type ownerRow struct {
	blockedAt  int64
	verifiedAt int64 // of the address
}

func (r *ownerRow) fields() []any { return []any{&r.blockedAt, &r.verifiedAt} }

// lockOwner holds a user together with their address: nobody blocks the one or takes away the other until the
// transaction ends. [ErrNotFound] when that has happened before.
func (s *Store) lockOwner(ctx context.Context, p proved, a grants.Address) (ownerRow, error) {
	row, err := readOne[ownerRow](s.query(ctx).Raw(`SELECT u.blocked_at, i.verified_at FROM users u JOIN identities i ON i.user_id = u.id
		WHERE u.id = ? AND i.address = ? AND i.connection = ?`+s.forUpdate(), p.userID, a.Value, p.connection))
	return row, failed("reading user", err)
}

// adopt makes the address verified by whose proof its user signs in for the first time. Where another address of theirs
// became so just before, this one finds them no more.
func (s *Store) adopt(ctx context.Context, p proved, r grants.Redemption) error {
	n, err := s.exec(ctx, "verifying identity", `UPDATE identities SET verified_at = ?, adoptable = FALSE
		WHERE address = ? AND connection = ? AND user_id = ? AND adoptable`, micros(r.Now), r.Address.Value, p.connection, p.userID)
	if err == nil && n == 0 {
		return errAgain
	}
	if err != nil {
		return err
	}
	return s.endAdoption(ctx, p.userID)
}

// signUp creates the user of an address that finds none.
func (s *Store) signUp(ctx context.Context, r grants.Redemption, connection string) (grants.User, error) {
	u := User{ID: r.NewUserID, CreatedAt: r.Now, Identities: []Identity{{
		Connection: connection, Address: r.Address, VerifiedAt: r.Now, CreatedAt: r.Now,
	}}}
	if err := s.insertUser(ctx, Account{User: u}); err != nil {
		return grants.User{}, err
	}
	identity := u.fresh()[0]
	taken, err := s.insertIdentity(ctx, r.NewUserID, identity)
	if err == nil && taken {
		err = s.disprove(ctx, r, identity)
	}
	if err != nil {
		return grants.User{}, err
	}
	if _, err := s.exec(ctx, "writing challenge", "UPDATE challenges SET user_id = ? WHERE id = ?", r.NewUserID, r.ChallengeID); err != nil {
		return grants.User{}, err
	}
	created := r.Event
	created.Type, created.UserID = EventUserCreated, r.NewUserID
	return grants.User{ID: r.NewUserID, Created: true}, s.Append(ctx, created)
}

// disprove takes an address from the user who has it without ever having proved it, and gives it to the one who has.
func (s *Store) disprove(ctx context.Context, r grants.Redemption, i Identity) error {
	had, err := readOne[text](s.query(ctx).Raw("SELECT user_id FROM identities WHERE address = ? AND connection = ?", i.Address.Value, i.Connection))
	if err == nil {
		err = s.lockUser(ctx, had.is)
	}
	if err != nil {
		return errAgain // gone just now
	}
	n, err := s.exec(ctx, "removing identity", `DELETE FROM identities WHERE address = ? AND connection = ? AND user_id = ?
		AND verified_at = 0 AND NOT adoptable`, i.Address.Value, i.Connection, had.is)
	if err == nil && n == 0 {
		return errAgain // another first login of this address was faster
	}
	if err != nil {
		return err
	}
	if err := s.Append(ctx, grants.Event{Type: EventIdentityUnlinked, Time: r.Now, UserID: had.is, Address: i.Address.Masked(), Detail: "proved by another"}); err != nil {
		return err
	}
	taken, err := s.insertIdentity(ctx, r.NewUserID, i)
	if err == nil && taken {
		return errAgain
	}
	return err
}
