package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/storage"
)

func (c *cli) userExport() *cobra.Command {
	return &cobra.Command{
		Use: "export [USER]", Short: "Print all that is kept about a user, or every user, as JSON lines", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				if len(args) == 0 {
					return c.exportAll(cmd.Context(), d.store)
				}
				u, err := findUser(cmd.Context(), d.store, args[0])
				if err != nil {
					return err
				}
				a, err := d.store.Account(cmd.Context(), u.ID)
				if err != nil {
					return userError(u.ID, err)
				}
				v := viewAccount(a)
				events, err := d.store.Events(cmd.Context(), storage.EventFilter{UserID: u.ID, Limit: 10_000})
				if err != nil {
					return fmt.Errorf("reading the events: %w", err)
				}
				for _, e := range events {
					v.Events = append(v.Events, eventView{Type: e.Type, Time: moment(e.Time), ClientID: e.ClientID, IP: e.IP, Detail: e.Detail})
				}
				return c.jsonLine(v)
			})
		},
	}
}

// exportPage is how many users are read at a time.
const exportPage = 500

func (c *cli) exportAll(ctx context.Context, store *storage.Store) error {
	after := ""
	for {
		page, _, err := store.Accounts(ctx, storage.AccountQuery{After: after, Limit: exportPage})
		if err != nil {
			return fmt.Errorf("reading the users: %w", err)
		}
		for _, a := range page {
			if err := c.jsonLine(viewAccount(a)); err != nil {
				return err
			}
			after = a.ID
		}
		if len(page) == 0 {
			return nil
		}
	}
}

func (c *cli) jsonLine(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing JSON: %w", err)
	}
	return nil
}
