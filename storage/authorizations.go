package storage

import (
	"context"
	"fmt"
	"time"

	"sallyport/grants"
)

// Authorization is what one login gave one client: the unit of revocation for its code, its refresh token and all its
// access tokens.
type Authorization struct {
	ID, ClientID, UserID, SessionID, ChallengeID string

	RedirectURI, Scope, Audience, Nonce, CodeChallenge string

	AMR             []string
	ACR             string
	AuthTime        time.Time
	Offline         bool // has a refresh token
	EndsWithSession bool

	CodeExpiresAt, CodeSpentAt time.Time // a zero CodeExpiresAt: it never had a code

	RefreshGeneration int
	RefreshedAt       time.Time
	RefreshExpiresAt  time.Time // when it is not used before
	RefreshEndsAt     time.Time // in any case

	CreatedAt time.Time
	ExpiresAt time.Time // the longest life of anything it gave, or soon after its code's; the row may be purged then
	RevokedAt time.Time
}

type authorizationRow struct {
	ID                string
	ClientID          string
	UserID            string
	SessionID         string
	ChallengeID       string
	RedirectURI       string
	Scope             string
	Audience          string
	Nonce             string
	CodeChallenge     string
	AMR               list
	ACR               string
	AuthTime          int64
	Offline           bool
	EndsWithSession   bool
	CodeExpiresAt     int64
	CodeSpentAt       int64
	RefreshGeneration int
	RefreshedAt       int64
	RefreshExpiresAt  int64
	RefreshEndsAt     int64
	CreatedAt         int64
	ExpiresAt         int64
	RevokedAt         int64
}

const authorizationColumns = `a.id, a.client_id, a.user_id, a.session_id, a.challenge_id, a.redirect_uri, a.scope, a.audience, a.nonce,
	a.code_challenge, a.amr, a.acr, a.auth_time, a.offline, a.ends_with_session, a.code_expires_at, a.code_spent_at,
	a.refresh_generation, a.refreshed_at, a.refresh_expires_at, a.refresh_ends_at, a.created_at, a.expires_at, a.revoked_at`

func (r *authorizationRow) fields() []any {
	return []any{
		&r.ID, &r.ClientID, &r.UserID, &r.SessionID, &r.ChallengeID, &r.RedirectURI, &r.Scope, &r.Audience, &r.Nonce,
		&r.CodeChallenge, &r.AMR, &r.ACR, &r.AuthTime, &r.Offline, &r.EndsWithSession, &r.CodeExpiresAt, &r.CodeSpentAt,
		&r.RefreshGeneration, &r.RefreshedAt, &r.RefreshExpiresAt, &r.RefreshEndsAt, &r.CreatedAt, &r.ExpiresAt, &r.RevokedAt,
	}
}

func (r authorizationRow) authorization() Authorization {
	return Authorization{
		ID: r.ID, ClientID: r.ClientID, UserID: r.UserID, SessionID: r.SessionID, ChallengeID: r.ChallengeID,
		RedirectURI: r.RedirectURI, Scope: r.Scope, Audience: r.Audience, Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		AMR: r.AMR, ACR: r.ACR, AuthTime: moment(r.AuthTime), Offline: r.Offline, EndsWithSession: r.EndsWithSession,
		CodeExpiresAt: moment(r.CodeExpiresAt), CodeSpentAt: moment(r.CodeSpentAt),
		RefreshGeneration: r.RefreshGeneration, RefreshedAt: moment(r.RefreshedAt),
		RefreshExpiresAt: moment(r.RefreshExpiresAt), RefreshEndsAt: moment(r.RefreshEndsAt),
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), RevokedAt: moment(r.RevokedAt),
	}
}

// Authorize writes a new authorization, in the transaction that the context carries.
func (s *Store) Authorize(ctx context.Context, a Authorization) error {
	_, err := s.exec(ctx, "writing authorization", `INSERT INTO authorizations (id, client_id, user_id, session_id, challenge_id,
		redirect_uri, scope, audience, nonce, code_challenge, amr, acr, auth_time, offline, ends_with_session, code_expires_at,
		code_spent_at, refresh_generation, refreshed_at, refresh_expires_at, refresh_ends_at, created_at, expires_at, revoked_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, a.ClientID, a.UserID, a.SessionID, a.ChallengeID, a.RedirectURI, a.Scope, a.Audience, a.Nonce, a.CodeChallenge,
		list(a.AMR), a.ACR, micros(a.AuthTime), a.Offline, a.EndsWithSession, micros(a.CodeExpiresAt), micros(a.CodeSpentAt),
		a.RefreshGeneration, micros(a.RefreshedAt), micros(a.RefreshExpiresAt), micros(a.RefreshEndsAt),
		micros(a.CreatedAt), micros(a.ExpiresAt), micros(a.RevokedAt))
	return err
}

// AuthorizeInSession writes an authorization whose tokens are given at once, if its session lives, and moves the
// session's idle limit. Whoever ends the session ends the authorization too, at the same moment or later. [ErrNotFound]
// when the session is not live.
func (s *Store) AuthorizeInSession(ctx context.Context, a Authorization, idleExpiresAt time.Time, event grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if err := s.TouchSession(ctx, a.SessionID, idleExpiresAt); err != nil {
			return err
		}
		if err := s.Authorize(ctx, a); err != nil {
			return err
		}
		return s.Append(ctx, event)
	})
}

// authorizationUserRow is one row of an authorization joined with its user and their identities.
type authorizationUserRow struct {
	Authorization authorizationRow
	Person        userIdentityRow
	TokenRevoked  bool
}

func (r *authorizationUserRow) fields() []any {
	return append(append(r.Authorization.fields(), r.Person.fields()...), &r.TokenRevoked)
}

// selectAuthorization takes a token's jti, or an empty one, and the authorization's id.
const selectAuthorization = "SELECT " + authorizationColumns + ", " + userIdentityColumns + `,
	EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?) FROM authorizations a JOIN users u ON u.id = a.user_id LEFT JOIN identities i ON i.user_id = u.id
	WHERE a.id = ?` + userIdentityOrder

// AuthorizationWithUser reads an authorization, spent and revoked ones too, and its user. [ErrNotFound], also when the
// user was deleted.
func (s *Store) AuthorizationWithUser(ctx context.Context, id string) (Authorization, User, error) {
	l, err := s.liveness(ctx, id, "")
	return l.Authorization, l.User, err
}

// liveness reads an authorization, its user and whether a token was revoked.
func (s *Store) liveness(ctx context.Context, id, jti string) (Liveness, error) {
	rows, err := read[authorizationUserRow](s.query(ctx).Raw(selectAuthorization, jti, id))
	if err != nil {
		return Liveness{}, failed("reading authorization", err)
	}
	if len(rows) == 0 {
		return Liveness{}, fmt.Errorf("reading authorization: %w", ErrNotFound)
	}
	of := make([]userIdentityRow, len(rows))
	for i, r := range rows {
		of[i] = r.Person
	}
	return Liveness{Authorization: rows[0].Authorization.authorization(), User: users(of)[0], TokenRevoked: rows[0].TokenRevoked}, nil
}

// liveUser is the condition, on the table authorizations, that its user is there and not blocked.
const liveUser = `EXISTS (SELECT 1 FROM users u WHERE u.id = authorizations.user_id AND u.blocked_at = 0)`

// SpendCode spends an authorization's code and sets what a says of its refresh token and end. The event is written with
// it. [ErrReused] when the code was spent before: what it gave is revoked then, with the event's type changed to
// [EventCodeReplayed], also when the transaction that the context carries is rolled back. [ErrExpired], [ErrRevoked]
// (its user is blocked, or its session ended), [ErrNotFound].
func (s *Store) SpendCode(ctx context.Context, a Authorization, event grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		n, err := s.exec(ctx, "spending code", `UPDATE authorizations SET code_spent_at = ?, offline = ?, refresh_generation = ?, refreshed_at = ?,
			refresh_expires_at = ?, refresh_ends_at = ?, expires_at = ?
			WHERE id = ? AND code_spent_at = 0 AND code_expires_at > ? AND revoked_at = 0 AND `+liveUser+`
			AND (ends_with_session = ? OR session_id = '' OR NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = session_id AND s.ended_at <> 0))`,
			micros(now), a.Offline, a.RefreshGeneration, micros(a.RefreshedAt), micros(a.RefreshExpiresAt), micros(a.RefreshEndsAt),
			micros(a.ExpiresAt), a.ID, micros(now), false)
		if err != nil {
			return err
		}
		if n == 1 {
			return s.Append(ctx, event)
		}
		stored, _, err := s.AuthorizationWithUser(ctx, a.ID)
		switch {
		case err != nil:
			return err
		case !stored.CodeSpentAt.IsZero():
			s.revokeAfterwards(ctx, a.ID, EventCodeReplayed, event)
			return fmt.Errorf("spending code: %w", ErrReused)
		case stored.CodeExpiresAt.IsZero():
			return fmt.Errorf("spending code: there is none: %w", ErrNotFound)
		case stored.RevokedAt.IsZero() && !now.Before(stored.CodeExpiresAt):
			return fmt.Errorf("spending code: %w", ErrExpired)
		}
		return fmt.Errorf("spending code: %w", ErrRevoked)
	})
}

// RotateRefresh moves an authorization's refresh token from generation g to the next, with a new idle limit. When
// that happened at most grace ago, the same successor is given again and nothing changes. [ErrReused] for an older
// generation: all that the authorization gave is revoked then, with the event's type changed to [EventRefreshReused],
// also when the transaction that the context carries is rolled back. [ErrExpired], [ErrRevoked] (its user is blocked),
// [ErrNotFound] (it has no refresh token).
func (s *Store) RotateRefresh(ctx context.Context, id string, g int, now time.Time, grace time.Duration, idleExpiresAt time.Time, event grants.Event) (Authorization, User, error) { //nolint:revive // seven values that belong to one step
	var a Authorization
	var u User
	err := s.Tx(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, "rotating refresh token", `UPDATE authorizations SET refresh_generation = refresh_generation + 1, refreshed_at = ?, refresh_expires_at = ?
			WHERE id = ? AND refresh_generation = ? AND offline = ? AND revoked_at = 0 AND refresh_expires_at > ? AND refresh_ends_at > ? AND `+liveUser,
			micros(now), micros(idleExpiresAt), id, g, true, micros(now), micros(now))
		if err != nil {
			return err
		}
		if n == 1 {
			if err := s.Append(ctx, event); err != nil {
				return err
			}
		}
		if a, u, err = s.AuthorizationWithUser(ctx, id); err != nil || n == 1 {
			return err
		}
		switch {
		case !a.Offline:
			return fmt.Errorf("rotating refresh token: there is none: %w", ErrNotFound)
		case !a.RevokedAt.IsZero() || u.Blocked:
			return fmt.Errorf("rotating refresh token: %w", ErrRevoked)
		case g < a.RefreshGeneration-1 || g == a.RefreshGeneration-1 && !justNow(a.RefreshedAt, now, grace):
			s.revokeAfterwards(ctx, id, EventRefreshReused, event)
			return fmt.Errorf("rotating refresh token: %w", ErrReused)
		case g > a.RefreshGeneration:
			return fmt.Errorf("rotating refresh token: no such generation: %w", ErrNotFound)
		case !now.Before(a.RefreshExpiresAt) || !now.Before(a.RefreshEndsAt):
			return fmt.Errorf("rotating refresh token: %w", ErrExpired)
		case g == a.RefreshGeneration:
			return errAgain
		}
		return nil
	})
	if err != nil {
		return Authorization{}, User{}, err
	}
	return a, u, nil
}

// TouchRefresh moves the idle limit of an authorization's refresh token, which stays at generation g, with its event.
// [ErrRevoked] when that token is not good now, for whatever reason.
func (s *Store) TouchRefresh(ctx context.Context, id string, g int, idleExpiresAt time.Time, event grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := micros(s.now())
		n, err := s.exec(ctx, "touching refresh token", `UPDATE authorizations SET refresh_expires_at = ?
			WHERE id = ? AND refresh_generation = ? AND offline = ? AND revoked_at = 0 AND refresh_expires_at > ? AND refresh_ends_at > ? AND `+liveUser,
			micros(idleExpiresAt), id, g, true, now, now)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("touching refresh token: %w", ErrRevoked)
		}
		return s.Append(ctx, event)
	})
}

// revokeAfterwards revokes once the transaction is over, which its caller is about to roll back.
func (s *Store) revokeAfterwards(ctx context.Context, id, kind string, event grants.Event) {
	event.Type = kind
	s.afterwards(ctx, func(ctx context.Context) error { return s.RevokeAuthorization(ctx, id, event) })
}

// RevokeAuthorization ends all that an authorization gave; its event names the user. Where it has ended already, or never was,
// nothing is written.
func (s *Store) RevokeAuthorization(ctx context.Context, id string, event grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		revoked, err := read[text](s.query(ctx).Raw("UPDATE authorizations SET revoked_at = ? WHERE id = ? AND revoked_at = 0 RETURNING user_id", micros(s.now()), id))
		if err != nil || len(revoked) == 0 {
			return failed("revoking authorization", err)
		}
		event := event // this may run again
		event.UserID = revoked[0].is
		return s.Append(ctx, event)
	})
}
