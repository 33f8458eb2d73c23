package grants

import "time"

// Delivery is all that a sender needs to know of a message, read at once.
type Delivery struct {
	Message    Message
	Challenge  Challenge
	Attempts   int  // tries so far
	HasAccount bool // the address has a user
	Blocked    bool // who is blocked
	Superseded bool // a later message has the same code
}

// OutcomeStatus is what became of a message.
type OutcomeStatus string

// What can become of a message. All but OutcomeRetry are final.
const (
	OutcomeSent       OutcomeStatus = "sent"       // the provider said yes
	OutcomeFailed     OutcomeStatus = "failed"     // the provider said no, for good
	OutcomeTooLate    OutcomeStatus = "too_late"   // the challenge is over, or nearly
	OutcomeSuppressed OutcomeStatus = "suppressed" // nothing may be sent to this address
	OutcomeRetry      OutcomeStatus = "retry"      // again at NextAttemptAt
)

// Outcome is the record of one try to deliver.
type Outcome struct {
	Status        OutcomeStatus
	Provider      string
	ProviderID    string // the provider's name of the message
	Answer        string // the provider's words, scrubbed and cut
	NextAttemptAt time.Time
	At            time.Time

	// Refusal is what the provider said of the recipient, where it refused the message for good. It is not recorded.
	Refusal *ProviderRefusal
	// GiveBack are the keys of counters that the start drew on for nothing: one of each is given back.
	GiveBack []string
	// Refund is what this try drew that no provider took: as much is given back.
	Refund []Counter
	// SMSPrefix is the prefix of a number without account that was texted.
	SMSPrefix string
}

// ProviderRefusal is a provider's no to a recipient.
type ProviderRefusal struct {
	Code  int    // the provider's own
	Words string // scrubbed and cut
}
