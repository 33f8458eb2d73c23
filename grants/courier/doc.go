// Package courier brings the messages of the outbox to people: by mail and by SMS.
//
// It owns what happens between a message's row and the provider's answer: reading the challenge again, deriving code
// and link, rendering, sending, retrying, recording. It decides nothing about logins, keeps no state of its own beyond
// the messages in its hands, and never writes a code, a link or a whole address to a log or to the outbox.
//
// A message comes in by [Courier.Deliver] from the process that wrote it, which holds its lease, or from the poller
// of [Courier.Run], which takes over leases that have ended and retries that are due. A reader fetches it with its
// challenge and puts it into the lane of its channel, so that a dead mail server holds up no SMS. A sender of that
// lane judges whether it may still go out, sends it by a [Mailer] or a [Texter] and records the outcome: one read and
// one commit in all.
//
// A message is sent at most once after a provider said yes, and only by whoever holds its lease: no attempt outlasts
// the lease, and what is in our hands is not taken a second time. When the process dies, or the database is gone for the rest of the lease, between
// the provider's yes and its record, another process sends the message once more, with the same code and the same
// Message-ID.
package courier
