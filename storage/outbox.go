package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"sallyport/grants"
)

type messageRow struct {
	ID          string
	ChallengeID string
	Send        grants.Send
	Start       string // JSON
	CreatedAt   int64
	LeasedUntil int64
	Attempts    int
}

const messageColumns = `m.id, m.challenge_id, m.send, m.start, m.created_at, m.leased_until, m.attempts`

func (r *messageRow) fields() []any {
	return []any{&r.ID, &r.ChallengeID, &r.Send, &r.Start, &r.CreatedAt, &r.LeasedUntil, &r.Attempts}
}

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
		status, attempts, provider, provider_id, answer, updated_at) VALUES (?, ?, ?, ?, ?, ?, 0, '', 0, '', '', '', ?)`,
		m.ID, m.ChallengeID, string(m.Send), start, micros(m.CreatedAt), micros(m.LeasedUntil), micros(m.CreatedAt))
	return err
}

// deliveryRow is a message joined with its challenge and the user of the address.
type deliveryRow struct {
	Message   messageRow
	Challenge challengeRow
	Last      string // message of the challenge
	Owner     string
	BlockedAt int64
}

func (r *deliveryRow) fields() []any {
	return append(append(r.Message.fields(), r.Challenge.fields()...), &r.Last, &r.Owner, &r.BlockedAt)
}

// Message implements grants.Store.
func (s *Store) Message(ctx context.Context, id string) (grants.Message, grants.Challenge, error) {
	d, err := s.Delivery(ctx, id)
	return d.Message, d.Challenge, err
}

// errNoMessage is [ErrNotFound] in the words of package grants too.
var errNoMessage = fmt.Errorf("%w: %w", ErrNotFound, grants.ErrNoChallenge)

// Delivery reads all that sending a message needs, at once. [ErrNotFound] and grants.ErrNoChallenge when there is none.
func (s *Store) Delivery(ctx context.Context, messageID string) (grants.Delivery, error) {
	r, err := readOne[deliveryRow](s.query(ctx).Raw("SELECT "+messageColumns+", "+challengeColumns+`, c.last_message, COALESCE(u.id, ''), COALESCE(u.blocked_at, 0)
		FROM messages m JOIN challenges c ON c.id = m.challenge_id
		LEFT JOIN identities i ON i.address = c.address AND i.connection = c.connection AND `+findsUser+`
		LEFT JOIN users u ON u.id = i.user_id WHERE m.id = ?`, messageID))
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return grants.Delivery{}, fmt.Errorf("reading message: %w", errNoMessage)
	}
	if err != nil {
		return grants.Delivery{}, failed("reading message", err)
	}
	m, err := r.Message.message()
	if err != nil {
		return grants.Delivery{}, err
	}
	return grants.Delivery{
		Message: m, Challenge: r.Challenge.challenge(), Attempts: r.Message.Attempts,
		HasAccount: r.Owner != "", Blocked: r.BlockedAt != 0, Superseded: r.Last != "" && r.Last != r.Message.ID,
	}, nil
}

// LeaseMessages takes at most limit messages that are due, the oldest leases first, for the caller alone until the
// given moment. Of several callers at once each message goes to exactly one.
func (s *Store) LeaseMessages(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Message, error) {
	rows, err := lease[messageRow](ctx, s, outbox{"messages", messageColumns, grants.MaxChallengeAge}, now, limit, until)
	if err != nil {
		return nil, err
	}
	messages := make([]grants.Message, len(rows))
	for i, r := range rows {
		if messages[i], err = r.message(); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// outbox is a table of what is to be delivered.
type outbox struct {
	table   string
	columns string        // of the table as m
	pause   time.Duration // between two tries, at most
}

// pending is the condition, on what pendingAt gives, under which a row m of an outbox wants somebody to deliver it.
const pending = "m.status = '' AND (m.leased_until <= ? OR m.leased_until > ?) AND (m.next_attempt_at <= ? OR m.next_attempt_at > ?)"

// farLease is longer than any lease. What seems to be leased for longer, or to pause for too long, was so before the clock
// was set back.
const farLease = 2 * time.Minute

func (o outbox) pendingAt(now time.Time) []any {
	return []any{micros(now), micros(now.Add(farLease)), micros(now), micros(now.Add(o.pause))}
}

// lease takes at most limit rows of an outbox that are due.
func lease[R any, P record[R]](ctx context.Context, s *Store, o outbox, now time.Time, limit int, until time.Time) ([]R, error) {
	due, err := read[text](s.query(ctx).Raw("SELECT m.id FROM "+o.table+" m WHERE "+pending+" ORDER BY m.leased_until, m.id LIMIT ?",
		append(o.pendingAt(now), limit)...))
	if err != nil || len(due) == 0 {
		return nil, failed("looking for "+o.table, err)
	}
	ids := make([]string, len(due))
	for i, m := range due {
		ids[i] = m.is
	}
	var rows []R
	err = s.Tx(ctx, func(ctx context.Context) error {
		// The condition stands here again: whoever came first has moved the lease.
		rows, err = read[R, P](s.query(ctx).Raw("UPDATE "+o.table+" AS m SET leased_until = ? WHERE m.id IN ? AND "+pending+
			" RETURNING "+strings.ReplaceAll(o.columns, "m.", ""), append([]any{micros(until), ids}, o.pendingAt(now)...)...))
		return failed("leasing "+o.table, err)
	})
	return rows, err
}

// RecordDelivery writes what became of a message, and ends its lease where it is to be tried again. A message that
// was sent stays sent, and one that failed changes only to sent. What it gives back is given back with that, once.
// [ErrNotFound] and grants.ErrNoChallenge when there is none.
func (s *Store) RecordDelivery(ctx context.Context, messageID string, o grants.Outcome) error {
	if len(o.GiveBack) == 0 && len(o.Refund) == 0 {
		_, err := s.recordDelivery(ctx, messageID, o)
		return err
	}
	return s.Tx(ctx, func(ctx context.Context) error {
		changed, err := s.recordDelivery(ctx, messageID, o)
		if err != nil || !changed {
			return err
		}
		if err := s.giveBack(ctx, o.At, 1, o.GiveBack); err != nil {
			return err
		}
		for _, c := range o.Refund {
			if err := s.giveBack(ctx, o.At, c.Add, []string{c.Key}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) recordDelivery(ctx context.Context, messageID string, o grants.Outcome) (changed bool, err error) {
	status, lease := string(o.Status), "leased_until"
	if o.Status == grants.OutcomeRetry {
		status, lease = "", "0"
	}
	n, err := s.exec(ctx, "recording delivery", `UPDATE messages SET status = ?, attempts = attempts + 1, provider = ?, provider_id = ?,
		answer = ?, next_attempt_at = ?, updated_at = ?, sms_prefix = ?, leased_until = `+lease+`
		WHERE id = ? AND (status = '' OR (? AND status <> 'sent'))`,
		status, o.Provider, o.ProviderID, o.Answer, micros(o.NextAttemptAt), micros(o.At), o.SMSPrefix, messageID, o.Status == grants.OutcomeSent)
	if err != nil || n == 1 {
		return n == 1, err
	}
	there, err := readOne[flag](s.query(ctx).Raw("SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?)", messageID))
	if err == nil && !there.is {
		return false, fmt.Errorf("recording delivery: %w", errNoMessage)
	}
	return false, failed("reading message", err)
}
