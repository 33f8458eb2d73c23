package courier

import (
	"sync"
	"time"

	"sallyport/grants"
)

// held are the messages in the hands of this process, from the queue to the record of a try, with the ends of their leases. A
// message that is taken over while it waits has a longer lease then, and is not sent beside itself: not even when the clock was
// changed, so that its lease seemed to be over.
type held struct {
	mu     sync.Mutex
	leases map[string]time.Time
}

// take holds a message with its lease, and reports whether it was not held before.
func (h *held) take(m grants.Message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, had := h.leases[m.ID]
	if h.leases == nil {
		h.leases = map[string]time.Time{}
	}
	h.leases[m.ID] = m.LeasedUntil
	return !had
}

// until is the end of a message's newest lease.
func (h *held) until(m grants.Message) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until, had := h.leases[m.ID]; had {
		return until
	}
	return m.LeasedUntil
}

func (h *held) drop(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.leases, id)
}
