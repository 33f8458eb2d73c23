package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/grants"
	"sallyport/storage"
)

func (c *cli) userLink() *cobra.Command {
	cmd := c.onUser("link USER ADDRESS|ID", "Let an address that you have verified, or all of another user's, sign in a user", func(ctx context.Context, d *deployment, u storage.User, args []string) error {
		if _, _, ok := identityName(args[0]); ok {
			if _, err := d.store.LinkAccounts(ctx, u.ID, args[0], grants.Event{}); errors.Is(err, storage.ErrExists) {
				return fmt.Errorf("%q is the user themselves", args[0])
			} else if err != nil {
				return userError(args[0], err)
			}
			return c.printUser(ctx, d.store, u.ID)
		}
		address, err := grants.ParseAddress(args[0])
		if err != nil {
			return fmt.Errorf("%q: %w", args[0], err)
		}
		now := c.now()
		err = d.store.LinkIdentity(ctx, u.ID, storage.Identity{Connection: string(address.Channel), Address: address, VerifiedAt: now, CreatedAt: now})
		if errors.Is(err, storage.ErrExists) {
			return fmt.Errorf("%q belongs to a user already; link that user by their id, or unlink it there first", args[0])
		}
		if err != nil {
			return userError(args[0], err)
		}
		return c.printUser(ctx, d.store, u.ID)
	})
	cmd.Long = `Let a further address sign in a user. Given an e-mail address or phone number that you have verified, it is added. Given
the id of another user, that user becomes part of this one: their addresses sign in this user, their profile is kept for
unlinking, their metadata go, and all that they have open ends.`
	return cmd
}

func (c *cli) userUnlink() *cobra.Command {
	cmd := c.onUser("unlink USER ADDRESS|ID", "Take an address from a user, or make it a user of its own", func(ctx context.Context, d *deployment, u storage.User, args []string) error {
		var err error
		if provider, id, ok := identityName(args[0]); ok {
			_, err = d.store.UnlinkAccount(ctx, u.ID, provider, id, grants.Event{})
		} else {
			var address grants.Address
			if address, err = grants.ParseAddress(args[0]); err != nil {
				return fmt.Errorf("%q: %w", args[0], err)
			}
			err = d.store.UnlinkIdentity(ctx, u.ID, address)
		}
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("user %q does not have %q", u.ID, args[0])
		}
		if err != nil {
			return userError(u.ID, err)
		}
		return c.printUser(ctx, d.store, u.ID)
	})
	cmd.Long = `Take an e-mail address or phone number from a user, or, given the identity as provider|id, make it the user again that it
was before it was linked. All that the user has open ends: whoever loses the address may have opened it.`
	return cmd
}

// identityName takes "provider|id" apart. An address, which may hold a bar too, is none.
func identityName(s string) (provider, id string, ok bool) {
	if _, err := grants.ParseAddress(s); err == nil {
		return "", "", false
	}
	return strings.Cut(s, "|")
}
