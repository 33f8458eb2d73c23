package config

import "time"

// minRetention is the least time that the audit log goes back, if it ends at all: what happened on a day can be looked at on it.
const minRetention = 24 * time.Hour

// Audit is how long the audit log goes back.
type Audit struct {
	Retention time.Duration `yaml:"retention"` // 0 keeps it for ever
}

func (c *Config) checkAudit(r *report) {
	if d := c.Audit.Retention; d != 0 && d < minRetention {
		r.add("audit.retention", "%s is less than %s; write %s or more, or 0 to keep the audit log for ever", d, minRetention, minRetention)
	}
}
