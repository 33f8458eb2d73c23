package config

import "time"

// Keys is how long signing keys are used.
type Keys struct {
	RotateEvery time.Duration `yaml:"rotate_every"`
}

const (
	// minRotation is far longer than a new key waits before it signs.
	minRotation     = 24 * time.Hour
	defaultRotation = 90 * 24 * time.Hour
)

func (c *Config) checkKeys(r *report) {
	if d := c.Keys.RotateEvery; d != 0 && d < minRotation {
		r.add("keys.rotate_every", "%s is not at least %s; write 0 for never", d, minRotation)
	}
}
