package storage

import "time"

// EventFilter selects audit events. Its zero fields select all.
type EventFilter struct {
	UserID, ClientID, Type string
	Since                  time.Time
	Limit                  int // 100 when zero
}
