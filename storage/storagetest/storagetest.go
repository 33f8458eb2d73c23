// Package storagetest is the contract of package storage as tests, which run alike on every database, and the
// databases themselves for the tests of other packages: [SQLiteURL], [PostgresURL] and [Open].
package storagetest

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// Run holds a database to the contract. Fresh gives the URL of a new and empty one.
func Run(t *testing.T, fresh func(t *testing.T) string) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *bench){
		"Store":          testStore,
		"Clients":        testClients,
		"APIs":           testAPIs,
		"Connections":    testConnections,
		"Tickets":        testTickets,
		"DeviceCodes":    testDeviceCodes,
		"Users":          testUsers,
		"Accounts":       testAccounts,
		"Links":          testLinks,
		"IdentityRule":   testIdentityRule,
		"Import":         testImport,
		"Challenges":     testChallenges,
		"Redeem":         testRedeem,
		"Budgets":        testBudgets,
		"Sending":        testSending,
		"Verify":         testVerify,
		"Rates":          testRates,
		"Guessing":       testGuessing,
		"Races":          testRaces,
		"Authorizations": testAuthorizations,
		"Refresh":        testRefresh,
		"Tokens":         testTokens,
		"Sessions":       testSessions,
		"AuthRequests":   testAuthRequests,
		"Keys":           testKeys,
		"Secrets":        testSecrets,
		"Outbox":         testOutbox,
		"Alerts":         testAlerts,
		"Explain":        testExplain,
		"Events":         testEvents,
		"AuditLog":       testAuditLog,
		"Seals":          testSeals,
		"Purge":          testPurge,
		"Transactions":   testTransactions,
		"Failures":       testFailures,
		"Clocks":         testClocks,
		"Migrations":     testMigrations,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, &bench{fresh: fresh})
		})
	}
}

// bench is what each test of the contract works with.
type bench struct {
	fresh func(t *testing.T) string
}

// open gives a new store over a new database, with a clock that stands.
func (b *bench) open(t *testing.T) (*storage.Store, *Clock) {
	t.Helper()
	clock := NewClock()
	return Open(t, storage.Options{URL: b.fresh(t), Now: clock.Now}), clock
}

// Open opens a store, migrated, and closes it with the test. What the options leave out is filled in: a new SQLite
// file, [Ring], a clock that stands at [Start], and an audit log of 90 days.
func Open(tb testing.TB, o storage.Options) *storage.Store {
	tb.Helper()
	if o.URL == "" {
		o.URL = SQLiteURL(tb)
	}
	if o.Ring == nil {
		o.Ring = Ring(tb)
	}
	if o.Now == nil {
		o.Now = NewClock().Now
	}
	if o.Retention == 0 {
		o.Retention = 90 * 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := storage.Open(tb.Context(), o)
	if err != nil {
		tb.Fatalf("opening store: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing store: %v", err)
		}
	})
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatalf("migrating: %v", err)
	}
	return s
}

// SQLiteURL is the URL of a file that is not there yet and goes with the test.
func SQLiteURL(tb testing.TB) string {
	tb.Helper()
	return "sqlite:" + filepath.Join(tb.TempDir(), "sallyport.db")
}

// Ring is a ring of secrets; without names, of one that is always the same.
func Ring(tb testing.TB, names ...string) *grants.Ring {
	tb.Helper()
	if len(names) == 0 {
		names = []string{"test"}
	}
	secrets := make([]string, len(names))
	for i, name := range names {
		secrets[i] = name + strings.Repeat("-", grants.MinSecretBytes)
	}
	ring, err := grants.NewRing(secrets...)
	if err != nil {
		tb.Fatalf("making ring: %v", err)
	}
	return ring
}

// Start is where every [Clock] begins.
func Start() time.Time { return time.Date(2026, time.March, 4, 5, 6, 7, 891234000, time.UTC) }

// Clock is a clock that stands until it is moved. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock is a clock that stands at [Start].
func NewClock() *Clock { return &Clock{now: Start()} }

// Now is where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
