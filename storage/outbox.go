package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/grants"
)

type messageRow struct {
	ID          string
	ChallengeID string
	Send        grants.Send
	Start       string // JSON
	CreatedAt   int64  `gorm:"autoCreateTime:false"`
	LeasedUntil int64
	Attempts    int
}

const messageColumns = `m.id AS m_id, m.challenge_id AS m_challenge_id, m.send AS m_send, m.start AS m_start, m.created_at AS m_created_at,
	m.leased_until AS m_leased_until, m.attempts AS m_attempts`

const challengeColumns = `c.id, c.slot, c.seed, c.key_id, c.client_id, c.connection, c.channel, c.address, c.purpose, c.requester,
	c.device, c.code_length, c.attempts, c.max_attempts, c.created_at, c.expires_at, c.spent_at, c.ended_at, c.user_id`

func (r messageRow) message() (grants.Message, error) {
	m := grants.Message{
		ID: r.ID, ChallengeID: r.ChallengeID, Send: r.Send, CreatedAt: moment(r.CreatedAt), LeasedUntil: moment(r.LeasedUntil),
	}
	if err := decode(r.Start, &m.Start); err != nil {
		return grants.Message{}, failed("reading message", err)
	}
	return m, nil
}

// insertMessage writes a message, which its LeasedUntil gives to whom wrote it.
func (s *Store) insertMessage(ctx context.Context, m grants.Message) error {
	start, err := encode(m.Start)
	if err != nil {
		return fmt.Errorf("writing message: %w", err)
	}
	_, err = s.exec(ctx, "writing message", `INSERT INTO messages (id, challenge_id, send, start, created_at, leased_until, next_attempt_at,
		status, attempts, provider, provider_id, answer, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, '', '', '', ?)`,
		m.ID, m.ChallengeID, string(m.Send), start, micros(m.CreatedAt), micros(m.LeasedUntil), micros(m.CreatedAt), micros(m.CreatedAt))
	return err
}

// deliveryRow is a message joined with its challenge and the user of the address.
type deliveryRow struct {
	Message   messageRow   `gorm:"embedded;embeddedPrefix:m_"`
	Challenge challengeRow `gorm:"embedded"`
	Owner     string
	BlockedAt int64
}

// Message implements grants.Store.
func (s *Store) Message(ctx context.Context, id string) (grants.Message, grants.Challenge, error) {
	d, err := s.Delivery(ctx, id)
	if errors.Is(err, ErrNotFound) {
		err = grants.ErrNoChallenge
	}
	return d.Message, d.Challenge, err
}

// Delivery reads all that sending a message needs, at once. [ErrNotFound].
func (s *Store) Delivery(ctx context.Context, messageID string) (grants.Delivery, error) {
	var rows []deliveryRow
	err := s.query(ctx).Raw("SELECT "+messageColumns+", "+challengeColumns+`, u.id AS owner, u.blocked_at AS blocked_at
		FROM messages m JOIN challenges c ON c.id = m.challenge_id
		LEFT JOIN identities i ON i.address = c.address AND i.connection = c.connection
		LEFT JOIN users u ON u.id = i.user_id WHERE m.id = ?`, messageID).Scan(&rows).Error
	if err != nil {
		return grants.Delivery{}, failed("reading message", err)
	}
	if len(rows) == 0 {
		return grants.Delivery{}, fmt.Errorf("reading message: %w", ErrNotFound)
	}
	r := rows[0]
	m, err := r.Message.message()
	if err != nil {
		return grants.Delivery{}, err
	}
	return grants.Delivery{
		Message: m, Challenge: r.Challenge.challenge(), Attempts: r.Message.Attempts,
		HasAccount: r.Owner != "", Blocked: r.BlockedAt != 0,
	}, nil
}

// pending is the condition, on now twice, under which a message wants somebody to deliver it.
const pending = "m.status = '' AND m.leased_until <= ? AND m.next_attempt_at <= ?"

// LeaseMessages takes at most limit messages that are due, the oldest leases first, for the caller alone until the
// given moment. Of several callers at once each message goes to exactly one.
func (s *Store) LeaseMessages(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Message, error) {
	var due []string
	err := s.query(ctx).Raw("SELECT m.id FROM messages m WHERE "+pending+" ORDER BY m.leased_until, m.id LIMIT ?",
		micros(now), micros(now), limit).Scan(&due).Error
	if err != nil || len(due) == 0 {
		return nil, failed("looking for messages", err)
	}
	var messages []grants.Message
	err = s.Tx(ctx, func(ctx context.Context) error {
		messages = nil
		// The condition stands here again: whoever came first has moved the lease.
		var rows []struct {
			Message messageRow `gorm:"embedded;embeddedPrefix:m_"`
		}
		err := s.query(ctx).Raw("UPDATE messages AS m SET leased_until = ? WHERE m.id IN ? AND "+pending+" RETURNING "+returnedMessage,
			micros(until), due, micros(now), micros(now)).Scan(&rows).Error
		if err != nil {
			return failed("leasing messages", err)
		}
		for _, r := range rows {
			m, err := r.Message.message()
			if err != nil {
				return err
			}
			messages = append(messages, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return messages, nil
}

// returnedMessage is messageColumns for RETURNING, where SQLite does not know the table's other name.
const returnedMessage = `id AS m_id, challenge_id AS m_challenge_id, send AS m_send, start AS m_start, created_at AS m_created_at,
	leased_until AS m_leased_until, attempts AS m_attempts`

// RecordDelivery writes what became of a message, and ends its lease where it is to be tried again. A message that
// was sent stays sent, and one that failed changes only to sent. [ErrNotFound].
func (s *Store) RecordDelivery(ctx context.Context, messageID string, o grants.Outcome) error {
	status, lease := string(o.Status), "leased_until"
	if o.Status == grants.OutcomeRetry {
		status, lease = "", "0"
	}
	n, err := s.exec(ctx, "recording delivery", `UPDATE messages SET status = ?, attempts = attempts + 1, provider = ?, provider_id = ?,
		answer = ?, next_attempt_at = ?, updated_at = ?, leased_until = `+lease+`
		WHERE id = ? AND (status = '' OR (? AND status <> 'sent'))`,
		status, o.Provider, o.ProviderID, o.Answer, micros(o.NextAttemptAt), micros(o.At), messageID, o.Status == grants.OutcomeSent)
	if err != nil || n == 1 {
		return err
	}
	var there int
	if err := s.query(ctx).Raw("SELECT COUNT(*) FROM messages WHERE id = ?", messageID).Scan(&there).Error; err != nil {
		return failed("reading message", err)
	}
	if there == 0 {
		return fmt.Errorf("recording delivery: %w", ErrNotFound)
	}
	return nil
}
