package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
)

// Question asks why somebody was refused: an address, a network, a client, or several of them.
type Question struct {
	Address  grants.Address // zero for none
	Source   string         // as limits count it: an address, or an IPv6 network
	IP       string         // of which the events are looked for
	ClientID string
}

// Rules are what the configuration and the processes say, beside the database.
type Rules struct {
	Limits       grants.Limits
	SignupClosed bool
	Countries    []string                   // that are texted
	Channels     []grants.Channel           // that have a transport
	Exempt       func(source string) bool   // sources that are never blocked; nil: none
	Risk         func(clientID string) bool // whether codes are being guessed all around; nil: not known
}

// Reason is one thing that is known about it, in words for people.
type Reason struct {
	Code    string    `json:"code"`
	Text    string    `json:"text"`
	Refuses bool      `json:"refuses"` // it is a reason to be refused, or not to get a message, now
	Until   time.Time `json:"-"`       // when it ends by itself; zero: not known, or never
}

// Explanation is all that is known, what refuses first, and the latest events.
type Explanation struct {
	Reasons []Reason
	Events  []LoggedEvent // newest first
}

const (
	explainMessages = 5
	explainEvents   = 10
	// explainRows is how many of the newest rows are looked through for what has no index.
	explainRows = 100_000
)

// Explain tells why somebody was, or would be, refused. It is for those who administer: it may look through many rows.
func (s *Store) Explain(ctx context.Context, now time.Time, q Question, r Rules) (Explanation, error) {
	x := explaining{s: s, now: now, q: q, rules: r}
	for _, look := range []func(context.Context) error{x.address, x.budgets, x.messages, x.source, x.client, x.rates, x.risk, x.events} {
		if err := look(ctx); err != nil {
			return Explanation{}, fmt.Errorf("explaining: %w", err)
		}
	}
	slices.SortStableFunc(x.out.Reasons, func(a, b Reason) int {
		switch {
		case a.Refuses == b.Refuses:
			return 0
		case a.Refuses:
			return -1
		}
		return 1
	})
	return x.out, nil
}

// explaining is one explanation on its way.
type explaining struct {
	s          *Store
	now        time.Time
	q          Question
	rules      Rules
	userID     string
	challenges []string // the latest of the address
	out        Explanation
}

func (x *explaining) tell(code string, refuses bool, until time.Time, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !until.IsZero() {
		text += " Until " + clock(until) + "."
	}
	x.out.Reasons = append(x.out.Reasons, Reason{Code: code, Text: text, Refuses: refuses, Until: until})
}

// liftWith adds to the latest reason the command that ends it, behind until when it holds.
func (x *explaining) liftWith(command, whom string) {
	x.out.Reasons[len(x.out.Reasons)-1].Text += " Lift it with: sallyport " + command + " '" + strings.ReplaceAll(whom, "'", `'\''`) + "'"
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// address is about whoever has the address, and how messages go there.
func (x *explaining) address(ctx context.Context) error {
	a := x.q.Address
	if a == (grants.Address{}) {
		return nil
	}
	connection, err := x.s.Connection(ctx, string(a.Channel))
	if err != nil {
		return err
	}
	closed := x.rules.SignupClosed || connection.Options.DisableSignup
	switch u, err := x.s.UserByAddress(ctx, a); {
	case errors.Is(err, ErrNotFound) && closed:
		x.tell("signup_closed", true, time.Time{}, "The address has no account, and sign-up is closed: it gets no code, and none would sign it in.")
	case errors.Is(err, ErrNotFound):
		x.tell("no_account", false, time.Time{}, "The address has no account; the first right code makes one.")
	case err != nil:
		return err
	case u.Blocked:
		x.userID = u.ID
		x.tell("user_blocked", true, time.Time{}, "The user %s is blocked since %s: nothing is sent, and no code signs them in.", u.ID, clock(u.BlockedAt))
		x.liftWith("user unblock", u.ID)
	default:
		x.userID = u.ID
		x.tell("user", false, time.Time{}, "The address signs in the user %s, who is not blocked.", u.ID)
	}
	if connection.Disabled {
		x.tell("connection_disabled", true, time.Time{}, "The connection %s is disabled.", connection.Name)
	}
	if !slices.Contains(x.rules.Channels, a.Channel) {
		x.tell("no_transport", true, time.Time{}, "There is no way to send messages of the connection %s: see mail.transport and sms.transport.", connection.Name)
	}
	if a.Channel == grants.SMS && !grants.Textable(a, x.rules.Countries) {
		x.tell("country_closed", true, time.Time{}, "Numbers of this country or kind are not texted: see sms.countries.")
	}
	return nil
}

// budgetTexts say what happens when a limit is reached.
var budgetTexts = map[string]string{
	"start_per_address":        "too many codes were asked for: browsers that are not known and apps are refused. Known browsers have budgets of their own.",
	"start_per_address_day":    "too many codes were asked for today: browsers that are not known and apps are refused. Known browsers have budgets of their own.",
	"messages_per_address":     "too many messages were asked for: browsers that are not known and apps get no more. A fifth of the limit is for known browsers alone.",
	"failures_per_address":     "too many wrong codes: six-digit codes of strangers are not looked at. New ones have ten digits and work.",
	"failures_per_address_day": "too many wrong codes today: six-digit codes of strangers are not looked at. New ones have ten digits and work.",
}

func (x *explaining) budgets(ctx context.Context) error {
	if x.q.Address == (grants.Address{}) {
		return nil
	}
	guards := x.rules.Limits.Guards(x.q.Address)
	waits, err := x.s.Waits(ctx, x.now, guards)
	if err != nil {
		return err
	}
	flag := "--email"
	if x.q.Address.Channel == grants.SMS {
		flag = "--phone"
	}
	for i, wait := range waits {
		if wait > 0 {
			name := grants.CounterName(guards[i].Key)
			x.tell(name, true, x.now.Add(wait), "The limit %s (%s) is reached: %s", name, guards[i].Limit, budgetTexts[name])
			x.liftWith("block lift "+flag, x.q.Address.Value)
		}
	}
	return nil
}

type explainedMessage struct {
	challengeID, status, provider, answer string
	attempts                              int
	createdAt, updatedAt                  int64
}

func (r *explainedMessage) fields() []any {
	return []any{&r.challengeID, &r.status, &r.provider, &r.answer, &r.attempts, &r.createdAt, &r.updatedAt}
}

// messages are the latest to the address, and what became of them.
func (x *explaining) messages(ctx context.Context) error {
	if x.q.Address == (grants.Address{}) {
		return nil
	}
	rows, err := read[explainedMessage](x.s.query(ctx).Raw(`SELECT m.challenge_id, m.status, m.provider, m.answer, m.attempts, m.created_at, m.updated_at
		FROM (SELECT id, address, channel FROM challenges WHERE expires_at > ? ORDER BY expires_at DESC LIMIT ?) c
		JOIN messages m ON m.challenge_id = c.id WHERE c.address = ? AND c.channel = ? ORDER BY m.created_at DESC LIMIT ?`,
		micros(x.now.Add(-keepEnded)), explainRows, x.q.Address.Value, string(x.q.Address.Channel), explainMessages))
	if err != nil {
		return failed("reading messages", err)
	}
	for _, m := range rows {
		if !slices.Contains(x.challenges, m.challengeID) {
			x.challenges = append(x.challenges, m.challengeID)
		}
		asked, said := clock(moment(m.createdAt)), strings.Trim(m.provider+": "+m.answer, ": ")
		if said != "" {
			said = " (" + said + ")"
		}
		switch grants.OutcomeStatus(m.status) {
		case grants.OutcomeSent:
			x.tell("message_sent", false, time.Time{}, "The message asked for at %s was sent at %s%s.", asked, clock(moment(m.updatedAt)), said)
		case grants.OutcomeFailed:
			x.tell("message_failed", true, time.Time{}, "The message asked for at %s was refused for good%s.", asked, said)
		case grants.OutcomeTooLate:
			x.tell("message_too_late", true, time.Time{}, "The message asked for at %s could not be sent in time%s.", asked, said)
		case grants.OutcomeSuppressed:
			x.tell("message_withheld", true, time.Time{}, "The message asked for at %s was withheld%s.", asked, said)
		default:
			x.tell("message_waiting", false, time.Time{}, "The message asked for at %s waits to be sent, after %d tries%s.", asked, m.attempts, said)
		}
	}
	if len(rows) == 0 {
		x.tell("no_message", false, time.Time{}, "No message to the address was asked for lately.")
	}
	for _, id := range x.challenges {
		c, err := x.s.Challenge(ctx, id)
		if err == nil && c.Status(x.now) == grants.Exhausted {
			x.tell("attempts_used_up", true, c.ExpiresAt, "The code asked for at %s has had its %d tries.", clock(c.CreatedAt), c.MaxAttempts)
		}
	}
	return nil
}

func (x *explaining) source(ctx context.Context) error {
	if x.q.Source == "" {
		return nil
	}
	if x.rules.Exempt != nil && x.rules.Exempt(x.q.Source) {
		x.tell("ip_exempt", false, time.Time{}, "%s is never blocked: it is this machine's, private, or in limits.allow_ips.", x.q.Source)
		return nil
	}
	c := grants.IPCounter(x.rules.Limits.FailuresPerIP, x.q.Source)
	rows, err := read[counterRow](x.s.query(ctx).Raw("SELECT key, n, resets_at FROM counters WHERE key = ? AND resets_at > ?", c.Key, micros(x.now)))
	if err != nil {
		return failed("reading counters", err)
	}
	switch {
	case c.Limit.Off() || len(rows) == 0:
		x.tell("ip", false, time.Time{}, "No wrong codes are counted for %s.", x.q.Source)
	case rows[0].N >= int64(c.Limit.N):
		x.tell("ip_blocked", true, moment(rows[0].ResetsAt), "%s is blocked: %d wrong codes came from there (failures_per_ip: %s), and the API looks at none any more, the hosted pages only after a proof of work. Known browsers go on.",
			x.q.Source, rows[0].N, c.Limit)
		x.liftWith("block lift --ip", x.q.Source)
	default:
		x.tell("ip", false, time.Time{}, "%s is not blocked: %d of %d wrong codes.", x.q.Source, rows[0].N, c.Limit.N)
	}
	return nil
}

func (x *explaining) client(ctx context.Context) error {
	if x.q.ClientID == "" {
		return nil
	}
	c, err := x.s.Client(ctx, x.q.ClientID)
	switch {
	case errors.Is(err, ErrNotFound):
		x.tell("client_unknown", true, time.Time{}, "There is no client %s.", x.q.ClientID)
		return nil
	case err != nil:
		return err
	case c.Disabled:
		x.tell("client_disabled", true, time.Time{}, "The client %s is disabled.", c.ID)
	default:
		x.tell("client", false, time.Time{}, "The client %s is enabled, for the connections: %s.", c.ID, strings.Join(c.Connections, ", "))
	}
	if a := x.q.Address; a.Channel != "" && !slices.Contains(c.Connections, string(a.Channel)) {
		x.tell("client_connection", true, time.Time{}, "The client %s may not use the connection %s.", c.ID, a.Channel)
	}
	return nil
}

// rates are those that all processes have told of: what one of them keeps to itself is less than a tenth of each.
func (x *explaining) rates(ctx context.Context) error {
	for _, r := range []struct {
		kind, of string
		limit    grants.Limit
		text     string
	}{
		{grants.RatePerIP, x.q.Source, x.rules.Limits.StartPerIP, "too many codes were asked for from there: apps get no more, the login page only for a proof of work."},
		{grants.RateBegun, x.q.Source, x.rules.Limits.Beginnings(), "too many logins were begun there by browsers that are not known: the next ones are refused."},
		{grants.RatePerClient, x.q.ClientID, x.rules.Limits.StartPerClient, "the client asked for too many codes."},
	} {
		if r.of == "" || r.limit.Off() {
			continue
		}
		rows, err := read[rateRow](x.s.query(ctx).Raw("SELECT key, tat FROM rates WHERE key = ?", r.kind+" "+r.of))
		if err != nil {
			return failed("reading rates", err)
		}
		if len(rows) == 0 {
			continue
		}
		if next := moment(rows[0].tat).Add(r.limit.Per/time.Duration(r.limit.N) - r.limit.Per); next.After(x.now) {
			x.tell(r.kind, true, next, "The limit %s (%s) is reached: %s", r.kind, r.limit, r.text)
		}
	}
	return nil
}

func (x *explaining) risk(context.Context) error {
	if x.rules.Risk != nil && x.rules.Risk(x.q.ClientID) {
		x.tell("risk", true, time.Time{}, "Codes are being guessed at many accounts just now: browsers that are not known get ten-digit codes, and a proof of work before.")
	}
	return nil
}

// events are the latest that concern the question, of the newest there are.
func (x *explaining) events(ctx context.Context) error {
	var either []string
	args := []any{explainRows}
	add := func(condition string, arg any) { either, args = append(either, condition), append(args, arg) }
	if x.userID != "" {
		add("e.user_id = ?", x.userID)
	}
	if len(x.challenges) > 0 {
		add("e.challenge_id IN ?", x.challenges)
	}
	if x.q.IP != "" {
		add("e.ip = ?", x.q.IP)
	}
	if x.q.ClientID != "" && len(either) == 0 {
		add("e.client_id = ?", x.q.ClientID)
	}
	if len(either) == 0 {
		return nil
	}
	rows, err := read[eventRow](x.s.query(ctx).Raw("SELECT "+eventColumns+" FROM (SELECT "+eventColumns+" FROM events ORDER BY id DESC LIMIT ?) e WHERE "+
		strings.Join(either, " OR ")+" ORDER BY id DESC LIMIT ?", append(args, explainEvents)...))
	for _, r := range rows {
		x.out.Events = append(x.out.Events, LoggedEvent{ID: r.ID, Event: r.event()})
	}
	return failed("reading events", err)
}
