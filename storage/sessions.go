package storage

import (
	"context"
	"fmt"
	"time"

	"sallyport/grants"
)

// Session is a browser that is signed in.
type Session struct {
	ID         string // the sid: public, random
	SecretHash string // of the cookie
	UserID     string
	AMR        []string

	AuthTime, CreatedAt, SeenAt time.Time
	ExpiresAt                   time.Time // the absolute limit
	IdleExpiresAt               time.Time
}

type sessionRow struct {
	ID            string
	SecretHash    string
	UserID        string
	AMR           list
	AuthTime      int64
	CreatedAt     int64
	SeenAt        int64
	ExpiresAt     int64
	IdleExpiresAt int64
}

const sessionColumns = `s.id, s.secret_hash, s.user_id, s.amr, s.auth_time, s.created_at, s.seen_at, s.expires_at, s.idle_expires_at`

// liveSession is the condition, on now twice, under which a session counts.
const liveSession = `s.ended_at = 0 AND s.expires_at > ? AND s.idle_expires_at > ?`

func (r *sessionRow) fields() []any {
	return []any{&r.ID, &r.SecretHash, &r.UserID, &r.AMR, &r.AuthTime, &r.CreatedAt, &r.SeenAt, &r.ExpiresAt, &r.IdleExpiresAt}
}

func (r sessionRow) session() Session {
	return Session{
		ID: r.ID, SecretHash: r.SecretHash, UserID: r.UserID, AMR: r.AMR,
		AuthTime: moment(r.AuthTime), CreatedAt: moment(r.CreatedAt), SeenAt: moment(r.SeenAt),
		ExpiresAt: moment(r.ExpiresAt), IdleExpiresAt: moment(r.IdleExpiresAt),
	}
}

// SignIn stores a login on a browser, in the transaction that the context carries. current is the hash of the cookie
// that the browser sent, or empty. When it names a live session of the same user, that session goes on under its ID
// with the fresh secret, times and limits; one of another user is ended first, as by [Store.EndSession]. A live
// session that has the fresh secret already, from the same form sent twice, is returned as it is.
func (s *Store) SignIn(ctx context.Context, current string, fresh Session) (Session, error) {
	var signedIn Session
	err := s.Tx(ctx, func(ctx context.Context) error {
		now := micros(s.now())
		rows, err := read[sessionRow](s.query(ctx).Raw("SELECT "+sessionColumns+" FROM sessions s WHERE s.secret_hash IN (?, ?) AND "+
			liveSession+s.forUpdate(), fresh.SecretHash, current, now, now))
		if err != nil {
			return failed("reading session", err)
		}
		var before *Session
		for _, r := range rows {
			switch found := r.session(); {
			case found.SecretHash == fresh.SecretHash && found.UserID == fresh.UserID:
				signedIn = found
				return nil
			case current != "" && found.SecretHash == current:
				before = &found
			}
		}
		switch {
		case before == nil:
		case before.UserID == fresh.UserID:
			signedIn, err = s.renewSession(ctx, *before, fresh)
			return err
		default:
			if err := s.EndSession(ctx, before.ID); err != nil {
				return err
			}
		}
		signedIn, err = s.insertSession(ctx, fresh)
		return err
	})
	return signedIn, err
}

func (s *Store) renewSession(ctx context.Context, before, fresh Session) (Session, error) {
	fresh.ID, fresh.CreatedAt = before.ID, before.CreatedAt
	r := rowOfSession(fresh)
	_, err := s.exec(ctx, "renewing session", `UPDATE sessions SET secret_hash = ?, amr = ?, auth_time = ?, seen_at = ?, expires_at = ?,
		idle_expires_at = ? WHERE id = ?`, r.SecretHash, r.AMR, r.AuthTime, r.SeenAt, r.ExpiresAt, r.IdleExpiresAt, r.ID)
	return r.session(), err
}

func (s *Store) insertSession(ctx context.Context, fresh Session) (Session, error) {
	r := rowOfSession(fresh)
	_, err := s.exec(ctx, "writing session", `INSERT INTO sessions (id, secret_hash, user_id, amr, auth_time, created_at, seen_at,
		expires_at, idle_expires_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		r.ID, r.SecretHash, r.UserID, r.AMR, r.AuthTime, r.CreatedAt, r.SeenAt, r.ExpiresAt, r.IdleExpiresAt)
	return r.session(), err
}

func rowOfSession(v Session) sessionRow {
	return sessionRow{
		ID: v.ID, SecretHash: v.SecretHash, UserID: v.UserID, AMR: v.AMR,
		AuthTime: micros(v.AuthTime), CreatedAt: micros(v.CreatedAt), SeenAt: micros(v.SeenAt),
		ExpiresAt: micros(v.ExpiresAt), IdleExpiresAt: micros(v.IdleExpiresAt),
	}
}

// Session reads the live session of a cookie: not ended, within both limits, its user not blocked. [ErrNotFound].
func (s *Store) Session(ctx context.Context, secretHash string) (Session, error) {
	now := micros(s.now())
	row, err := readOne[sessionRow](s.query(ctx).Raw("SELECT "+sessionColumns+` FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.secret_hash = ? AND u.blocked_at = 0 AND `+liveSession, secretHash, now, now))
	if err != nil {
		return Session{}, failed("reading session", err)
	}
	return row.session(), nil
}

// TouchSession moves the idle limit of a live session and notes that it was seen. [ErrNotFound] when it is not live.
func (s *Store) TouchSession(ctx context.Context, id string, idleExpiresAt time.Time) error {
	now := micros(s.now())
	n, err := s.exec(ctx, "touching session", `UPDATE sessions SET seen_at = ?, idle_expires_at = ?
		WHERE id = ? AND ended_at = 0 AND expires_at > ? AND idle_expires_at > ?`, now, micros(idleExpiresAt), id, now, now)
	if err == nil && n == 0 {
		return fmt.Errorf("touching session: %w", ErrNotFound)
	}
	return err
}

// EndSession ends a session and revokes the authorizations that end with it. Ending one that has ended, or never
// was, does nothing.
func (s *Store) EndSession(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		ended, err := read[text](s.query(ctx).Raw("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at = 0 RETURNING user_id", micros(now), id))
		if err != nil || len(ended) == 0 {
			return failed("ending session", err)
		}
		_, err = s.exec(ctx, "revoking authorizations", `UPDATE authorizations SET revoked_at = ?
			WHERE session_id = ? AND session_id <> '' AND ends_with_session = ? AND revoked_at = 0`, micros(now), id, true)
		if err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventSessionEnded, Time: now, UserID: ended[0].is, Detail: id})
	})
}

// SessionByID reads a live session by its sid. [ErrNotFound].
func (s *Store) SessionByID(ctx context.Context, id string) (Session, error) {
	now := micros(s.now())
	row, err := readOne[sessionRow](s.query(ctx).Raw("SELECT "+sessionColumns+" FROM sessions s WHERE s.id = ? AND "+liveSession, id, now, now))
	if err != nil {
		return Session{}, failed("reading session", err)
	}
	return row.session(), nil
}

// UserSessions reads a user's live sessions, the newest login first, at most 1000.
func (s *Store) UserSessions(ctx context.Context, userID string) ([]Session, error) {
	now := micros(s.now())
	rows, err := read[sessionRow](s.query(ctx).Raw("SELECT "+sessionColumns+" FROM sessions s WHERE s.user_id = ? AND "+liveSession+
		" ORDER BY s.auth_time DESC, s.id LIMIT 1000", userID, now, now))
	sessions := make([]Session, len(rows))
	for i, r := range rows {
		sessions[i] = r.session()
	}
	return sessions, failed("reading sessions", err)
}
