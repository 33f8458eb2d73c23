package storage

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"sallyport/grants"
)

// Types of events, beside those of package grants and op/admin. Their names are codes that people's tools know: they stay what they
// are. docs/audit-log.md says what each means.
const (
	EventUserCreated      = "user.created"
	EventUserUpdated      = "user.updated"
	EventUsersImported    = "users.imported"
	EventUserBlocked      = "user.blocked"
	EventUserUnblocked    = "user.unblocked"
	EventUserDeleted      = "user.deleted"
	EventIdentityLinked   = "identity.linked"
	EventIdentityUnlinked = "identity.unlinked"
	EventIPBlocked        = "ip.blocked" // the source used up its wrong codes

	EventSessionEnded         = "session.ended"
	EventAuthorizationRevoked = "authorization.revoked" // with all tokens that it gave
	EventTokenRevoked         = "token.revoked"         // one access token

	EventCodeExchanged   = "code.exchanged"
	EventCodeReplayed    = "code.replayed"
	EventRefreshRotated  = "refresh.rotated"
	EventRefreshUsed     = "refresh.used" // of a client whose tokens do not rotate
	EventRefreshReused   = "refresh.reused"
	EventTokensGranted   = "tokens.granted" // at the authorization endpoint
	EventDeviceApproved  = "device.approved"
	EventDeviceDenied    = "device.denied"
	EventDeviceExchanged = "device.exchanged"
	EventClientRefused   = "client.refused" // who said to be the client could not prove it; counted by the minute
	EventClientApplied   = "client.applied" // by the configuration file
	EventAPIApplied      = "api.applied"    // likewise
)

// EventFilter selects audit events. Its zero fields select all.
type EventFilter struct {
	UserID, ClientID, Type string
	Since                  time.Time
	Limit                  int // 100 when zero
}

type eventRow struct {
	ID          string
	Time        int64
	Type        string
	ClientID    string
	UserID      string
	Address     string
	ChallengeID string
	IP          string `gorm:"column:ip"`
	RequestID   string
	Detail      string
}

// TableName implements gorm's schema.Tabler.
func (eventRow) TableName() string { return "events" }

// Append writes an event to the audit log, in the transaction that the context carries. Without a time it happened now; without
// address and request it came from where the context says.
func (s *Store) Append(ctx context.Context, e grants.Event) error {
	if o := grants.OriginOf(ctx); e.RequestID == "" {
		e.IP, e.RequestID = cmp.Or(e.IP, o.IP), o.RequestID
	}
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	_, err := s.exec(ctx, "writing event", `INSERT INTO events (id, time, type, client_id, user_id, address, challenge_id, ip, request_id, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		eventID(s.eventMicros(e.Time)), micros(e.Time), e.Type, e.ClientID, e.UserID, e.Address, e.ChallengeID, e.IP, e.RequestID, e.Detail)
	return err
}

// Events reads the audit log, newest first.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]grants.Event, error) {
	db := s.query(ctx).Order("id DESC")
	if f.UserID != "" {
		db = db.Where("user_id = ?", f.UserID)
	}
	if f.ClientID != "" {
		db = db.Where("client_id = ?", f.ClientID)
	}
	if f.Type != "" {
		db = db.Where("type = ?", f.Type)
	}
	if !f.Since.IsZero() {
		db = db.Where("id >= ?", eventPrefix(f.Since))
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var rows []eventRow
	if err := db.Limit(f.Limit).Find(&rows).Error; err != nil {
		return nil, failed("reading events", err)
	}
	events := make([]grants.Event, len(rows))
	for i, r := range rows {
		events[i] = r.event()
	}
	return events, nil
}

func (r eventRow) event() grants.Event {
	return grants.Event{
		Type: r.Type, Time: moment(r.Time), ClientID: r.ClientID, UserID: r.UserID, Address: r.Address,
		ChallengeID: r.ChallengeID, IP: r.IP, RequestID: r.RequestID, Detail: r.Detail,
	}
}

// eventID sorts by time: the moment, then 64 random bits.
func eventID(micros int64) string {
	return fmt.Sprintf("%015x", micros) + grants.NewID()[:11]
}

// idMicros is the moment that an event's id carries, 0 where it is none of ours.
func idMicros(id string) int64 {
	n, err := strconv.ParseInt(id[:min(len(id), 15)], 16, 64)
	if err != nil {
		return 0
	}
	return n
}

func eventPrefix(at time.Time) string {
	return fmt.Sprintf("%015x", micros(at))
}
