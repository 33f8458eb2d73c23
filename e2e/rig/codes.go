package rig

import "sync"

// Codes gives each code that arrives to whoever waits for it.
type Codes struct {
	mu      sync.Mutex
	waiting map[string]chan string
	arrived int
}

// NewCodes has nobody waiting.
func NewCodes() *Codes { return &Codes{waiting: map[string]chan string{}} }

// Expect is to be called before a message to an address is asked for. The channel gets the code of the next one.
func (c *Codes) Expect(address string) <-chan string {
	arrives := make(chan string, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[address] = arrives
	return arrives
}

// Arrived tells of a message.
func (c *Codes) Arrived(address, code string) {
	c.mu.Lock()
	arrives := c.waiting[address]
	delete(c.waiting, address)
	c.arrived++
	c.mu.Unlock()
	if arrives != nil {
		arrives <- code
	}
}

// Messages is how many have arrived.
func (c *Codes) Messages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived
}
