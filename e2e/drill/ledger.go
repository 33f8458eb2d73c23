package main

import (
	"fmt"
	"slices"
	"sync"
)

// promise is one that the ledger holds Sallyport to. Each has a row in the table, with how often it was broken.
type promise string

const (
	challengesStay  promise = "accepted challenges lost"
	attemptsStay    promise = "counted attempts forgotten"
	codesOnce       promise = "one-time codes good twice"
	authCodesOnce   promise = "authorization codes good twice"
	oneSuccessor    promise = "refresh tokens with two successors"
	refreshStays    promise = "issued refresh tokens lost"
	refreshOnce     promise = "replaced refresh tokens good again"
	endsStay        promise = "ended logins alive"
	sessionsStay    promise = "sessions lost"
	sessionEndsStay promise = "ended sessions alive"
	answersSane     promise = "answers that make no sense"
)

var promises = []promise{
	challengesStay, attemptsStay, codesOnce, authCodesOnce, oneSuccessor, refreshStays, refreshOnce, endsStay, sessionsStay, sessionEndsStay, answersSane,
}

// fact is something that a process acknowledged, or that happened to a request. Each is counted.
type fact string

const (
	accepted  fact = "challenges accepted"
	redeemed  fact = "codes redeemed"
	exchanged fact = "authorization codes exchanged"
	refreshed fact = "refresh tokens issued by refreshing"
	ended     fact = "logins ended (revoked, or an authorization code came twice)"
	signedOut fact = "sessions ended"
	withheld  fact = "challenges closed by five wrong codes"
	unsureEnd fact = "answers that got lost after the deed: the code was spent, and nobody was told"
	unsure    fact = "requests cut off or answered 5xx, and made again"
)

var facts = []fact{accepted, withheld, redeemed, exchanged, refreshed, ended, signedOut, unsure, unsureEnd}

// chain is the refresh tokens of one login, oldest first. The last is the current one.
type chain struct {
	tokens []string
	over   bool // its end was acknowledged
}

// usedCode is a code that was redeemed.
type usedCode struct{ address, code string }

// session is one of a browser.
type session struct {
	browser *visitor
	over    bool
}

// ledger keeps every fact that a process acknowledged, and which promises were broken. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	facts    map[fact]int
	broken   map[promise]int
	first    []string // the first few, in words
	chains   []*chain
	codes    []usedCode
	sessions []*session
}

func newLedger() *ledger { return &ledger{facts: map[fact]int{}, broken: map[promise]int{}} }

func (l *ledger) count(f fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts[f]++
}

// breaks writes down that a promise was broken.
func (l *ledger) breaks(p promise, format string, args ...any) {
	const most = 20
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken[p]++
	if len(l.first) < most {
		l.first = append(l.first, string(p)+": "+fmt.Sprintf(format, args...))
	}
}

func (l *ledger) addChain(c *chain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chains = append(l.chains, c)
}

func (l *ledger) addCode(c usedCode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.codes = append(l.codes, c)
	l.facts[redeemed]++
}

func (l *ledger) addSession(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions = append(l.sessions, s)
}

// intact tells whether no promise was broken.
func (l *ledger) intact() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.broken) == 0
}

// print writes the ledger's rows.
func (l *ledger) print(t *table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range facts {
		t.row(string(f), fmt.Sprint(l.facts[f]))
	}
	for _, p := range promises {
		t.row("**"+string(p)+"**", fmt.Sprint(l.broken[p]))
	}
	t.notes = append(t.notes, slices.Clone(l.first)...)
}
