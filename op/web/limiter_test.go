package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

func TestSiteHasEightTimesWhatItsNetworksHave(t *testing.T) {
	now := storagetest.NewClock()
	l := NewLimiter(now.Now)
	limit := grants.Limit{N: 5, Per: time.Hour}
	allowed := 0
	for i := range 1000 { // one start from each of a thousand networks of one site
		source := Info{IP: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i))}.Network()
		if l.Take("k", source, limit).Wait == 0 {
			allowed++
		}
	}
	if allowed != 40 {
		t.Errorf("a /48 gets %d, want 40", allowed)
	}
	for source, want := range map[string]int{"2001:db8:1:9999::/64": 0, "2001:db8:2::/64": 5, "203.0.113.1": 5} {
		if left := l.Left("k", source, limit); left != want {
			t.Errorf("%s has %d left, want %d", source, left, want)
		}
	}
	if got := l.Take("k", "2001:db8:2::/64", limit); got.Wait != 0 || got.Left != 4 {
		t.Errorf("another site: %+v", got)
	}
	if got := l.Take("k", "203.0.113.1", limit); got.Wait != 0 || got.Left != 4 {
		t.Errorf("IPv4: %+v", got)
	}
}

// What the fastest limit of the configuration is taken times is counted still.
func TestFastestLimitIsCounted(t *testing.T) {
	limit, err := grants.ParseLimit("100000/1s")
	if err != nil {
		t.Fatal(err)
	}
	l := NewLimiter(storagetest.NewClock().Now)
	limit.N *= 20 * siteShare // beginnings, and a device's neighbours
	if got := l.Take("k", "2001:db8:1:1::/64", limit); got.Wait != 0 || got.Left < limit.N/2 {
		t.Errorf("%+v", got)
	}
}

// Three hundred thousand networks are no more memory than a hundred thousand, nor have they more to tell other processes.
func TestLimiterForgetsBeforeItGrows(t *testing.T) {
	now := storagetest.NewClock()
	l := NewLimiter(now.Now)
	limit := grants.Limit{N: unshared, Per: time.Hour}
	for i := range 300_000 {
		l.Take("k", fmt.Sprintf("%d.%d.%d.%d", 1+i>>24, i>>16&255, i>>8&255, i&255), limit)
	}
	if n := l.buckets.Len(); n != maxSources {
		t.Errorf("%d sources are remembered", n)
	}
	if n := len(l.due); n != maxSources {
		t.Errorf("%d sources are to be told of", n)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 100<<20 {
		t.Errorf("%d MB are in use", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(l)
}

func TestClockThatWasAheadKeepsNobodyOutForLonger(t *testing.T) {
	clock := storagetest.NewClock()
	l := NewLimiter(clock.Now)
	limit := grants.Limit{N: 10, Per: time.Hour}
	clock.Add(24 * time.Hour)
	l.Take("k", "203.0.113.9", limit)
	clock.Add(-24 * time.Hour)
	if got := l.Take("k", "203.0.113.9", limit); got.Wait != 6*time.Minute {
		t.Errorf("the wait is %s", got.Wait)
	}
	clock.Add(6 * time.Minute)
	if got := l.Take("k", "203.0.113.9", limit); got.Wait != 0 {
		t.Errorf("then it is %s", got.Wait)
	}
}

// Three processes, to which a balancer sends a source's requests by turns.
func TestProcessesShareRates(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": storagetest.SQLiteURL, "Postgres": storagetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			clock := storagetest.NewClock()
			store := storagetest.Open(t, storage.Options{URL: url(t), Now: clock.Now})
			processes := []*Limiter{NewLimiter(clock.Now), NewLimiter(clock.Now), NewLimiter(clock.Now)}
			limit := grants.Limit{N: 50, Per: time.Hour}
			round := func() (allowed int) {
				for range 30 {
					for _, l := range processes {
						if l.Take("start_per_ip", "203.0.113.9", limit).Wait == 0 {
							allowed++
						}
					}
				}
				for _, l := range append(processes, processes...) { // the first learn from the last in the second round
					if err := l.share(t.Context(), store); err != nil {
						t.Fatal(err)
					}
				}
				return allowed
			}
			if n := round(); n != 90 {
				t.Errorf("before they have met %d are allowed, want 90", n)
			}
			for range 3 {
				// A process that has learned nothing of the last ones keeps a tenth to itself.
				if n := round(); n > 3*limit.N/unshared {
					t.Errorf("after they have met %d are allowed", n)
				}
			}
			events, err := store.Events(t.Context(), storage.EventFilter{Type: grants.EventLimited})
			if err != nil || len(events) != 1 || events[0].IP != "203.0.113.9" || events[0].Detail != "start_per_ip" {
				t.Errorf("noted: %+v, %v", events, err)
			}
			// On average the rate is kept: what was too much is waited for.
			clock.Add(90*time.Minute + 30*time.Second)
			if n := round(); n == 0 {
				t.Error("nothing is allowed after what was too much")
			}
		})
	}
}

func TestEventsOfLimitsNameNetworksAndClientsAndNothingElse(t *testing.T) {
	clock := storagetest.NewClock()
	store := storagetest.Open(t, storage.Options{URL: storagetest.SQLiteURL(t), Now: clock.Now})
	l := NewLimiter(clock.Now)
	for kind, of := range map[string]string{grants.RatePerIP: "2001:db8::/64", grants.RatePerClient: "app", grants.RateBegun: "a browser's device"} {
		for range 2 {
			l.Take(kind, of, grants.Limit{N: 1, Per: time.Hour})
		}
	}
	if err := l.share(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	events, err := store.Events(t.Context(), storage.EventFilter{Type: grants.EventLimited})
	if err != nil || len(events) != 3 {
		t.Fatalf("events %v, %v", events, err)
	}
	for _, e := range events {
		want := map[string][2]string{grants.RatePerIP: {"2001:db8::/64", ""}, grants.RatePerClient: {"", "app"}, grants.RateBegun: {"", ""}}[e.Detail]
		if e.IP != want[0] || e.ClientID != want[1] {
			t.Errorf("%s names the network %q and the client %q", e.Detail, e.IP, e.ClientID)
		}
	}
}

type deafRates struct{ told []grants.Rate }

func (d *deafRates) SpendRates(_ context.Context, _ time.Time, spent []grants.Rate) ([]grants.Rate, error) {
	d.told = append(d.told, spent...)
	return nil, errors.New("no database")
}

func (*deafRates) AppendOnce(context.Context, string, time.Duration, grants.Event) (bool, error) {
	return false, errors.New("no database")
}

func TestLimiterGoesOnWithoutADatabase(t *testing.T) {
	clock := storagetest.NewClock()
	l, deaf := NewLimiter(clock.Now), &deafRates{}
	limit := grants.Limit{N: 10, Per: time.Hour}
	for n := range 12 {
		if got := l.Take("k", "203.0.113.9", limit); (got.Wait == 0) != (n < 10) {
			t.Errorf("draw %d: %+v", n, got)
		}
		if err := l.share(t.Context(), deaf); err == nil {
			t.Error("no error")
		}
	}
	if last := deaf.told[len(deaf.told)-1]; last.Spent != time.Hour {
		t.Errorf("told in the end: %s, want all that was drawn", last.Spent)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx, deaf, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestAllowedNetworksPayForNothing(t *testing.T) {
	office := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:5::/48")}
	for ip, counted := range map[string]bool{"198.51.100.7": false, "2001:db8:5:1::7": false, "198.51.101.7": true, "2001:db8:6::7": true} {
		i := Info{IP: netip.MustParseAddr(ip), free: office}
		if (i.Starter() != "") != counted || (i.Payer() != "") != counted || i.Network() == "" {
			t.Errorf("%s pays %q and %q", ip, i.Starter(), i.Payer())
		}
	}
}
