package grants_test

import (
	"errors"
	"testing"
	"time"

	"sallyport/grants"
)

func TestMailboxIsWhoReadsIt(t *testing.T) {
	for address, want := range map[string]string{
		"ada@example.com":            "ada@example.com",
		"ada+news@example.com":       "ada@example.com",
		"ada+a+b@example.com":        "ada@example.com",
		"+ada@example.com":           "+ada@example.com",
		"a.d.a@example.com":          "a.d.a@example.com",
		"a.d.a+x@gmail.com":          "ada@gmail.com",
		"A.da@googlemail.com":        "ada@gmail.com",
		"ada@sub.gmail.com":          "ada@sub.gmail.com",
		"ada@gmail.com.example.com":  "ada@gmail.com.example.com",
		"ada.b@gmail.example.com":    "ada.b@gmail.example.com",
		"ada+gmail.com@example.com":  "ada@example.com",
		"a.da@googlemail.com.de.com": "a.da@googlemail.com.de.com",
	} {
		a, err := grants.ParseEmail(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Mailbox(); got.Value != want || got.Channel != grants.Email || got.Mailbox() != got {
			t.Errorf("%s: %s", address, got.Value)
		}
	}
	if cell.Mailbox() != cell {
		t.Error("a number is its own")
	}
}

// Strangers cannot spend the last fifth of a mailbox's messages, neither by work nor by the API; browsers that are known can.
func TestKnownDevicesHaveMessagesThatStrangersCannotUseUp(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) {
		c.Limits = grants.Limits{MessagesPerAddress: grants.Limit{N: 10, Per: 24 * time.Hour}}
	})
	stranger, known := browser(ada, "theirs"), browser(ada, "mine")
	stranger.Proven, known.Device = true, "laptop"
	for n := range 8 {
		if n%2 == 0 {
			w.start(stranger)
			continue
		}
		w.start(api(ada))
	}
	for _, r := range []grants.StartRequest{stranger, api(ada)} {
		if limit := w.refusedStart(r); limit.Provable || limit.RetryAfter != 24*time.Hour {
			t.Errorf("a stranger's ninth: %+v", limit)
		}
	}
	for range 2 {
		w.start(known)
	}
	if limit := w.refusedStart(known); limit.Provable {
		t.Error("the eleventh message of all: no work buys it")
	}
	w.pass(24 * time.Hour)
	for range 5 { // what known devices have asked for is not there for strangers
		w.start(known)
	}
	for range 3 {
		w.start(stranger)
	}
	if limit := w.refusedStart(stranger); limit.Provable {
		t.Error("the ninth of the next day: no work buys it")
	}
}

// Whoever buries a mailbox spells it in a thousand ways; whoever owns it signs in by each of them as somebody else.
func TestMessagesAreCountedPerMailboxAndNothingElse(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits.MessagesPerAddress.N = 4 }) // three of them for strangers
	spelled := func(s string) grants.Address { return grants.Address{Channel: grants.Email, Value: s} }
	first := w.start(api(spelled("a.da@gmail.com")))
	second := w.start(api(spelled("ada+1@gmail.com")))
	w.start(api(spelled("ada@googlemail.com")))
	if limit := w.refusedStart(api(spelled("ada+2@googlemail.com"))); limit.Provable {
		t.Error("no work buys another message")
	}
	w.start(api(spelled("eve@gmail.com")))
	if first.ID == second.ID {
		t.Error("two spellings share a challenge")
	}
	one, two := w.mustRedeem(first, w.code(first)), w.mustRedeem(second, w.code(second))
	if one.ID == two.ID {
		t.Error("two spellings are one user")
	}
	if _, err := w.engine.Pending(t.Context(), "app", "email", spelled("ada@gmail.com"), grants.RequesterAPI); !errors.Is(err, grants.ErrNoChallenge) {
		t.Error("a spelling finds another's challenge")
	}
}
