package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"sallyport/grants"
	"sallyport/templates"
)

// Store is the outbox as a courier needs it.
type Store interface {
	// Delivery reads a message with all that its delivery depends on. grants.ErrNoChallenge when there is none.
	Delivery(ctx context.Context, messageID string) (grants.Delivery, error)

	// LeaseMessages takes over at most limit messages whose lease has ended or whose next try is due, until a moment.
	// No two callers get the same message.
	LeaseMessages(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Message, error)

	// RecordDelivery writes what became of a try.
	RecordDelivery(ctx context.Context, messageID string, o grants.Outcome) error

	// OncePer reports true to the first caller for a key in each period.
	OncePer(ctx context.Context, key string, per time.Duration, now time.Time) (bool, error)
}

// Config is what a [Courier] works with. Mail and SMS may be nil, when there is no such transport; Workers and Queue
// may be zero; all else is needed.
type Config struct {
	Store         Store
	Ring          *grants.Ring
	Templates     *templates.Set
	Mail          Mailer
	SMS           Texter
	LinkURL       func(messageID, token string) string // the page that a link leads to
	Countries     []string                             // texted; ISO 3166-1 alpha-2
	SignupClosed  bool                                 // addresses without account get no code
	Guard         Guard                                // nothing is bounded
	CodeInSubject bool
	Now           func() time.Time
	Log           *slog.Logger
	Workers       int // messages of one channel that are sent at once, default 8
	Queue         int // messages that wait for a reader, and again in each lane, default 1000
}

const (
	defaultWorkers = 8
	defaultQueue   = 1000
	readers        = 2

	pollEvery    = time.Second
	pollBatch    = 100
	storeTimeout = 5 * time.Second

	lease       = 30 * time.Second // of the messages that the poller takes over
	sendTimeout = 20 * time.Second // of one try, at most
	recordTime  = 5 * time.Second  // of a lease, kept back for recording the outcome
	minSendTime = 3 * time.Second  // a try that would have less is left to the next lease
	freshFor    = time.Second      // what was read longer ago is read again before sending
)

// Courier delivers messages. Make it with [New] and start it with [Courier.Run].
type Courier struct {
	cfg   Config
	queue chan queued
	lanes map[grants.Channel]chan job
	held  held
	owed  owed

	mails   mailTally
	breaker breaker
	told    *lru.Cache[string, time.Time] // of [Courier.tell]: until when there is nothing new
}

// queued is a message that waits for a reader.
type queued struct {
	message grants.Message        // with the lease that we hold
	told    chan<- grants.Outcome // of its first try; nil where nobody waits
}

// job is a message that was read.
type job struct {
	queued
	read   grants.Delivery
	readAt time.Time
}

// New checks the configuration and makes a courier. Nothing is sent before [Courier.Run].
func New(cfg Config) (*Courier, error) {
	switch {
	case cfg.Store == nil, cfg.Ring == nil, cfg.Templates == nil, cfg.Now == nil, cfg.Log == nil:
		return nil, errors.New("a courier needs a store, a ring, templates, a clock and a log")
	case cfg.Mail != nil && cfg.LinkURL == nil:
		return nil, errors.New("a courier that sends mail needs the address of links")
	case cfg.Guard.Ledger == nil && cfg.Guard.bounds():
		return nil, errors.New("a courier that bounds what is sent needs a ledger")
	}
	told, err := lru.New[string, time.Time](toldAtOnce)
	if err != nil {
		return nil, fmt.Errorf("making a cache: %w", err)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	return &Courier{
		cfg:   cfg,
		queue: make(chan queued, cfg.Queue),
		lanes: map[grants.Channel]chan job{
			grants.Email: make(chan job, cfg.Queue),
			grants.SMS:   make(chan job, cfg.Queue),
		},
		owed: owed{outcomes: map[string]grants.Outcome{}},
		told: told,
	}, nil
}

// Deliver implements [grants.Sender]. It never waits: when the queue is full, the message is left to whoever takes
// over its lease. A message that is in our hands already is not taken a second time.
func (c *Courier) Deliver(m grants.Message) { c.DeliverTelling(m, nil) }

// DeliverTelling implements [grants.Teller].
func (c *Courier) DeliverTelling(m grants.Message, told chan<- grants.Outcome) {
	if !c.held.take(m) {
		return
	}
	select {
	case c.queue <- queued{message: m, told: told}:
	default:
		c.held.drop(m.ID)
		c.cfg.Log.Warn("message left to the next lease, the queue is full", slog.String("message", m.ID))
	}
}

// Run delivers until ctx ends, then finishes what is being sent, which takes at most the length of a lease, and
// returns nil. Messages that still wait are left to whoever takes over their leases.
func (c *Courier) Run(ctx context.Context) error {
	var work sync.WaitGroup
	for range readers {
		work.Go(func() { c.readAll(ctx) })
	}
	for _, lane := range c.lanes {
		for range c.cfg.Workers {
			work.Go(func() { c.sendAll(ctx, lane) })
		}
	}
	work.Go(func() { c.poll(ctx) })
	if c.cfg.Guard.Breaker {
		work.Go(func() { c.watchPrefixes(ctx) })
	}
	if !c.cfg.Guard.Mails.Off() {
		work.Go(func() { c.tallyMails(ctx) })
	}
	work.Wait()
	return nil
}

// poll takes over orphans and retries that are due, as many as there is room for. After a flood those are most of what is to be
// sent, so it goes on at once for as long as there are more.
func (c *Courier) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for c.takeOver(ctx) == pollBatch {
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeOver takes over a batch and gives how many there were.
func (c *Courier) takeOver(ctx context.Context) int {
	room := min(pollBatch, c.laneRoom()-len(c.queue))
	if room <= 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := c.cfg.Now()
	until := now.Add(lease)
	messages, err := c.cfg.Store.LeaseMessages(ctx, now, room, until)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			c.cfg.Log.WarnContext(ctx, "taking over messages failed", slog.Any("error", err))
		}
		return 0
	}
	for _, m := range messages {
		m.LeasedUntil = until
		c.Deliver(m)
	}
	return len(messages)
}

// laneRoom is how many messages the emptiest lane takes. A channel whose provider hangs keeps no other one waiting.
func (c *Courier) laneRoom() (most int) {
	for _, lane := range c.lanes {
		most = max(most, cap(lane)-len(lane))
	}
	return most
}

// readAll reads messages and puts each into the lane of its channel.
func (c *Courier) readAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-c.queue:
			if !c.route(ctx, q) {
				c.held.drop(q.message.ID)
			}
		}
	}
}

// route reports whether the message is in its lane now.
func (c *Courier) route(ctx context.Context, q queued) bool {
	q.message.LeasedUntil = c.held.until(q.message)
	m := q.message
	if c.sendTime(m) < minSendTime {
		return false // its lease is over, or nearly
	}
	j, err := c.read(ctx, q)
	if err != nil {
		c.cfg.Log.WarnContext(ctx, "reading a message failed", slog.String("message", m.ID), slog.Any("error", err))
		return false
	}
	select {
	case c.lanes[j.read.Challenge.Address.Channel] <- j:
		return true
	default:
		c.cfg.Log.WarnContext(ctx, "message left to the next lease, its lane is full", slog.String("message", m.ID))
		return false
	}
}

func (c *Courier) read(ctx context.Context, q queued) (job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	d, err := c.cfg.Store.Delivery(ctx, q.message.ID)
	return job{queued: q, read: d, readAt: c.cfg.Now()}, err
}

// sendTime is how long a try of the message may take for its lease to cover it and the record of its outcome.
func (c *Courier) sendTime(m grants.Message) time.Duration {
	return min(sendTimeout, m.LeasedUntil.Sub(c.cfg.Now())-recordTime)
}
