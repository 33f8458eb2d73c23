package main

import (
	"slices"
	"time"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/op/admin"
)

// alertPlace is where an alert is seen to: the page, where an admin token opens it, else a command.
func alertPlace(issuer string, tokens []admin.Token, now func() time.Time) func(grants.Alert) (link, command string) {
	return func(a grants.Alert) (link, command string) {
		if a.Cause != grants.AlertIPBlocked {
			return "", ""
		}
		if slices.ContainsFunc(tokens, func(t admin.Token) bool { return t.Good(admin.ScopeLiftIPBlocks, now()) }) {
			return op.BlocksURL(issuer, a.Detail), ""
		}
		return "", "sallyport block lift --ip " + a.Detail
	}
}
