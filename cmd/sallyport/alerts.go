package main

import (
	"sallyport/grants"
	"sallyport/op"
	"sallyport/op/admin"
)

// alertPlace is where an alert is seen to: the page, where an admin token opens it, else a command.
func alertPlace(issuer string, hasToken func(scope string) bool) func(grants.Alert) (link, command string) {
	return func(a grants.Alert) (link, command string) {
		if a.Cause != grants.AlertIPBlocked {
			return "", ""
		}
		if hasToken(admin.ScopeLiftIPBlocks) {
			return op.BlocksURL(issuer, a.Detail), ""
		}
		return "", "sallyport block lift --ip " + a.Detail
	}
}
