package grants

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limit is so many in so long. The zero Limit is switched off.
type Limit struct {
	N   int
	Per time.Duration
}

// maxPerSecond is the fastest limit that is one: above it the moment between two draws is too short to be counted in, all the
// more where a limit is taken more than a thousand times.
const maxPerSecond = 100_000

// ParseLimit reads "N/duration" ("5/10m"); "0" switches the limit off.
func ParseLimit(s string) (Limit, error) {
	if s == "0" {
		return Limit{}, nil
	}
	n, per, ok := strings.Cut(s, "/")
	count, err := strconv.Atoi(n)
	if !ok || err != nil || count < 1 {
		return Limit{}, fmt.Errorf("%q is not a limit: write a number, a slash and a duration, such as 5/10m, or 0 for none", s)
	}
	d, err := time.ParseDuration(per)
	if err != nil || d < time.Second {
		return Limit{}, fmt.Errorf("%q is not a limit: %q is not a duration of at least 1s, such as 10m", s, per)
	}
	if int64(count) > int64(d/(time.Second/maxPerSecond)) {
		return Limit{}, fmt.Errorf("%q is not a limit: it is more than %d in a second, write 0 for none", s, maxPerSecond)
	}
	return Limit{N: count, Per: d}, nil
}

// Off tells whether the limit is switched off.
func (l Limit) Off() bool { return l.N == 0 }

// String is the form that ParseLimit reads, as people write it: 5/10m, not 5/10m0s.
func (l Limit) String() string {
	if l.Off() {
		return "0"
	}
	per := l.Per.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(per, none) {
			per = per[:len(per)-2]
		}
	}
	return fmt.Sprintf("%d/%s", l.N, per)
}

// Limits are the budgets of one address. Those of starts and of failures exist once for unknown requesters and once
// for every known device; messages are counted per mailbox or number. The zero value limits nothing.
type Limits struct {
	StartPerAddress       Limit
	StartPerAddressDay    Limit
	MessagesPerAddress    Limit
	FailuresPerAddress    Limit
	FailuresPerAddressDay Limit
	FailuresPerIP         Limit // of requests without client authentication
	StartPerIP            Limit // likewise, by the [Limiter]
	FailuresPerClient     Limit // of challenges, by the [Watch]
	Spraying              Limit // likewise, where logins are fewer than usual for so many
	StartPerClient        Limit // of clients that proved who they are, by the [Limiter]
}

// Off tells whether not one of them holds.
func (l Limits) Off() bool { return l == Limits{} }

// DefaultLimits are those that architecture and documentation promise.
func DefaultLimits() Limits {
	return Limits{
		StartPerAddress:       Limit{5, 10 * time.Minute},
		StartPerAddressDay:    Limit{20, 24 * time.Hour},
		MessagesPerAddress:    Limit{50, 24 * time.Hour},
		FailuresPerAddress:    Limit{10, time.Hour},
		FailuresPerAddressDay: Limit{20, 24 * time.Hour},
		FailuresPerIP:         Limit{100, 24 * time.Hour},
		StartPerIP:            Limit{50, time.Hour},
		FailuresPerClient:     Limit{5000, 15 * time.Minute},
		Spraying:              Limit{50, 15 * time.Minute},
		StartPerClient:        Limit{20, time.Second},
	}
}

// Counter is one budget and what is drawn from it now. A budget starts anew at the first draw after its period.
type Counter struct {
	Key   string // kind, address and, for a known device, the device
	Limit Limit
	Add   int // 1 to draw, 0 to look only

	Provable bool // a proof of work stands in for it
	Numbers  bool // its count is the number of the message
}

// StartCounters are the keys of the counters of starts that a message which no provider takes gives back. That of messages
// is not among them: it bounds what providers are asked for one address, see [MessageCounter].
func StartCounters(a Address, device string) []string {
	var keys []string
	for _, c := range (Limits{StartPerAddress: Limit{N: 1}, StartPerAddressDay: Limit{N: 1}}).starts(a, device, false) {
		keys = append(keys, c.Key)
	}
	return keys
}

// MessageCounter is the key of the counter of an address's messages.
func MessageCounter(a Address) string {
	return (Limits{MessagesPerAddress: Limit{N: 1}}).starts(a, "", true)[0].Key
}

// beginningsPerStart is how many logins a source may begin for each code that it may ask for: people open pages, go back and come
// again.
const beginningsPerStart = 20

// Beginnings is how many logins a source may begin.
func (l Limits) Beginnings() Limit {
	most := l.StartPerIP
	most.N *= beginningsPerStart
	return most
}

// MessagesForStrangers is how many of an address's messages unknown requesters can use up: four fifths, and at least one less than all.
// Whatever they do, known devices can have the rest. A single message is everybody's: no share at all would be no limit.
func (l Limits) MessagesForStrangers() Limit {
	share := l.MessagesPerAddress
	if share.N > 1 {
		share.N -= max(share.N/5, 1) //nolint:mnd // what is left for known devices
	}
	return share
}

// starts are the counters that a start draws on: those that a proof of work stands in for, unless one was done, and that of
// messages.
func (l Limits) starts(a Address, device string, proven bool) []Counter {
	most := l.MessagesPerAddress
	if device == "" {
		most = l.MessagesForStrangers()
	}
	messages := counters(1, a.Mailbox(), named{"messages", "", most})
	for i := range messages {
		messages[i].Numbers = true
	}
	if proven {
		return messages
	}
	starts := counters(1, a, named{"start", device, l.StartPerAddress}, named{"start-day", device, l.StartPerAddressDay})
	for i := range starts {
		starts[i].Provable = true
	}
	return append(starts, messages...)
}

// failures are the counters that a wrong guess draws on, with add 1, and a right one must find unspent, with add 0.
//
// A known device has budgets of its own, and one more that all known devices of the address share: whoever has
// had the mailbox for a while must not gain a budget with every device.
func (l Limits) failures(add int, a Address, device string) []Counter {
	budgets := []named{{"fail", device, l.FailuresPerAddress}, {"fail-day", device, l.FailuresPerAddressDay}}
	if device != "" {
		budgets = append(budgets, named{"fail-known-day", "", l.FailuresPerAddressDay})
	}
	return counters(add, a, budgets...)
}

// Guards are the budgets of an address that can refuse an unknown requester, for who administers them. Those of known
// devices are not among them.
func (l Limits) Guards(a Address) []Counter {
	return append(l.starts(a, "", false), l.failures(0, a, "")...)
}

// IPCounter is the budget of wrong guesses of a source: an address, or an IPv6 network ("2001:db8::/64").
func IPCounter(limit Limit, source string) Counter {
	return Counter{Key: ipCounter + source, Limit: limit, Add: 1}
}

type named struct {
	kind, device string
	limit        Limit
}

func counters(add int, a Address, budgets ...named) []Counter {
	var out []Counter
	for _, b := range budgets {
		if b.limit.Off() {
			continue
		}
		key := b.kind + ":" + string(a.Channel) + ":" + a.Value
		if b.device != "" {
			key += ":" + b.device
		}
		out = append(out, Counter{Key: key, Limit: b.limit, Add: add})
	}
	return out
}
