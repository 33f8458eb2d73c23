package storage

import "time"

// Clocks differ between processes and are set back now and then. What follows is how far a moment that was written may lie
// ahead of the one that reads it; beyond that a clock was wrong, and the moment counts for nothing.
const (
	// maxAhead bounds what keeps somebody out, such as the end of a budget's period.
	maxAhead = time.Hour
	// maxSkew bounds what lets somebody in, such as the time in which a token that was used works once more.
	maxSkew = 5 * time.Minute
)

// justNow tells whether something happened within a time, as far as clocks can be trusted.
func justNow(happened, now time.Time, within time.Duration) bool {
	since := now.Sub(happened)
	return since >= -maxSkew && since <= within
}
