// Package rig is what benchmarks and drills need of the world around the real binary: to build it, to run it as processes
// that can be killed and started again, to receive its mails and texts, and to know how much memory it holds.
package rig

import "time"

// Now is the one clock of benchmarks and drills, which measure real time.
func Now() time.Time {
	return time.Now().UTC() //nolint:forbidigo // what is measured here is real time
}
