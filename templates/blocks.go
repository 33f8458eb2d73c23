package templates

import "time"

// Blocks is where whoever administers sees which networks are blocked and lifts a block: it posts "ip", "token", "csrf" and "do"
// (show or lift) to Action.
type Blocks struct {
	Action, CSRF string
	IP           string // filled in
	Closed       bool   // there is no token that would be good here
	Problem      BlocksProblem
	Wait         time.Duration // until the next try, for BlocksLimited
	Done, Lifted bool          // a block was to be lifted, and there was one
	Shown        bool          // Blocked is what there is
	Blocked      []BlockedIP
}

// BlockedIP is one line of [Blocks].
type BlockedIP struct {
	IP       string
	Failures int
	Until    time.Time
}

// BlocksProblem is why [Blocks] shows nothing.
type BlocksProblem string

// The problems of the page.
const (
	BlocksRefused BlocksProblem = "refused" // the token
	BlocksLimited BlocksProblem = "limited"
	BlocksNoIP    BlocksProblem = "no_ip"
)
