package e2e

import "testing"

// TestBrowserWorksForACodeThatWouldBeRefused asks for a second code where the budget has one: the page in between solves its
// puzzle and goes on by itself.
func TestBrowserWorksForACodeThatWouldBeRefused(t *testing.T) {
	d, app := demo(t, "SALLYPORT_LIMITS_START_PER_ADDRESS=1/1h")
	b := tab{t, chromium(t)}
	b.logIn(app, "ada@example.com")
	b.logIn(app, "ada@example.com")
	received(t, 2, d.inbox)
}
