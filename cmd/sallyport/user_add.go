package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/grants"
	"sallyport/storage"
)

func (c *cli) userAdd() *cobra.Command {
	var email, phone string
	cmd := &cobra.Command{
		Use: "add", Short: "Add a user with an address that you have verified", Args: cobra.NoArgs,
		Long: `Add a user with an e-mail address or phone number that you have verified: whoever can read messages to it signs in as
this user. With passwordless.signup: closed this is the way to an account. More addresses follow with: sallyport user link`,
		Example: `  sallyport user add --email ada@example.com
  sallyport user add --phone "+49 170 1234567"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			channel, typed := grants.Email, email
			if phone != "" {
				channel, typed = grants.SMS, phone
			}
			address, err := grants.ParseAddress(typed)
			if err != nil {
				return fmt.Errorf("%q: %w", typed, err)
			}
			if address.Channel != channel {
				return fmt.Errorf("%q is for the other flag: --email takes an e-mail address, --phone a phone number", typed)
			}
			id, now := grants.NewUserID(address), c.now()
			return c.change(cmd, append(args, id), func(d *deployment) error {
				err := d.store.CreateUser(cmd.Context(), id, storage.Identity{
					Connection: string(address.Channel), Address: address, VerifiedAt: now, CreatedAt: now,
				})
				if errors.Is(err, storage.ErrExists) {
					return fmt.Errorf("%q belongs to a user already; see: sallyport user show '%s'", typed, address.Value)
				}
				if err != nil {
					return userError(typed, err)
				}
				return c.printUser(cmd.Context(), d.store, id)
			})
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address")
	cmd.Flags().StringVar(&phone, "phone", "", "phone number, with + and its country's code")
	cmd.MarkFlagsOneRequired("email", "phone")
	cmd.MarkFlagsMutuallyExclusive("email", "phone")
	return cmd
}
