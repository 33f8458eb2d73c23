// Package storage keeps everything that Sallyport remembers, in SQLite or Postgres, through GORM.
//
// It owns the tables, their migrations and every transaction over them. It decides nothing about logins or tokens:
// its methods are the needs of packages grants, grants/courier and op, each one read or one transaction, and it
// implements [sallyport/grants.Store]. It speaks no HTTP, makes no tokens and logs no value of any row.
//
// A write goes through [Store.Tx]: it joins the transaction that its context carries, or begins one, which a caller
// that hangs up does not cancel and which is durable when it returns. A thing that may be used once is spent by one
// conditional UPDATE. Rows are locked in one order: an address's counters, its challenge, its user.
//
// Moments are stored as microseconds since 1970 in UTC, on both databases alike; zero is the zero time.
package storage
