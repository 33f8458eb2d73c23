package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/grants"
	"sallyport/storage"
)

func (c *cli) userCommand() *cobra.Command {
	return group("user", "Manage the people who sign in",
		c.userAdd(), c.userList(), c.userShow(), c.userBlock(true), c.userBlock(false), c.userLink(), c.userUnlink(), c.userRemove(), c.userExport())
}

func (v userView) state() string {
	if v.Blocked {
		return "blocked"
	}
	return "active"
}

func (v userView) addresses() string {
	var out []string
	for _, i := range v.Identities {
		out = append(out, i.Address)
	}
	return dash(out)
}

func (c *cli) userList() *cobra.Command {
	var after string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List users, by id", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return errors.New("--limit is not between 1 and 1000")
			}
			return c.with(cmd.Context(), func(d *deployment) error {
				users, err := d.store.Users(cmd.Context(), after, limit)
				if err != nil {
					return fmt.Errorf("reading the users: %w", err)
				}
				views := make([]userView, len(users))
				rows := [][]string{{"ID", "STATE", "ADDRESSES", "SINCE"}}
				for i, u := range users {
					views[i] = viewUser(u)
					rows = append(rows, []string{u.ID, views[i].state(), views[i].addresses(), stamp(u.CreatedAt)})
				}
				return c.print(views, func(w io.Writer) {
					table(w, rows...)
					if len(users) == limit {
						_, _ = fmt.Fprintf(w, "\nThere may be more: --after '%s'\n", users[len(users)-1].ID)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "begin behind this id")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most")
	return cmd
}

// onUser is a command about one user, named by id, e-mail address or phone number. All but show change something.
func (c *cli) onUser(use, short string, do func(ctx context.Context, d *deployment, u storage.User, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(len(strings.Fields(use)) - 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			about := func(d *deployment) error {
				u, err := findUser(cmd.Context(), d.store, args[0])
				if err != nil {
					return err
				}
				return do(cmd.Context(), d, u, args[1:])
			}
			if cmd.Name() == "show" {
				return c.with(cmd.Context(), about)
			}
			return c.change(cmd, args, about)
		},
	}
}

func findUser(ctx context.Context, store *storage.Store, name string) (storage.User, error) {
	if strings.Contains(name, "|") {
		u, err := store.User(ctx, name)
		return u, userError(name, err)
	}
	address, err := grants.ParseAddress(name)
	if err != nil {
		return storage.User{}, fmt.Errorf("%q is neither the id nor the address of a user: %w", name, err)
	}
	u, err := store.UserByAddress(ctx, address)
	return u, userError(name, err)
}

// userError puts what the store says about a user into an operator's words.
func userError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("there is no user %q; see: sallyport user list", name)
	case errors.Is(err, storage.ErrLastIdentity):
		return fmt.Errorf("user %q has no other verified address; link another first, or remove the user", name)
	}
	return fmt.Errorf("user %q: %w", name, err)
}

func (c *cli) userShow() *cobra.Command {
	return c.onUser("show USER", "Show a user, by id, e-mail address or phone number", func(ctx context.Context, d *deployment, u storage.User, _ []string) error {
		return c.printUser(ctx, d.store, u.ID)
	})
}

// printUser prints a user with all that is kept about them.
func (c *cli) printUser(ctx context.Context, store *storage.Store, id string) error {
	a, err := store.Account(ctx, id)
	if err != nil {
		return userError(id, err)
	}
	v := viewAccount(a)
	return c.print(v, func(w io.Writer) {
		rows := [][]string{{"id", v.ID}, {"state", v.state()}, {"created", stamp(a.CreatedAt)}}
		if v.BlockedAt != nil {
			rows = append(rows, []string{"blocked", stamp(a.BlockedAt)})
		}
		if a.Profile.Name != "" {
			rows = append(rows, []string{"name", a.Profile.Name})
		}
		for _, i := range a.Identities {
			verified := "not verified"
			if !i.VerifiedAt.IsZero() {
				verified = "verified " + stamp(i.VerifiedAt)
			}
			rows = append(rows, []string{i.Connection, i.Address.Value + ", " + verified})
		}
		table(w, rows...)
	})
}

func (c *cli) userBlock(block bool) *cobra.Command {
	use, short := "block USER", "Block a user: ends their sessions and everything that apps were given"
	if !block {
		use, short = "unblock USER", "Let a blocked user sign in again"
	}
	return c.onUser(use, short, func(ctx context.Context, d *deployment, u storage.User, _ []string) error {
		if err := d.store.SetBlocked(ctx, u.ID, block); err != nil {
			return userError(u.ID, err)
		}
		return c.printUser(ctx, d.store, u.ID)
	})
}

func (c *cli) userRemove() *cobra.Command {
	return c.onUser("rm USER", "Remove a user for good; the id is never given again", func(ctx context.Context, d *deployment, u storage.User, _ []string) error {
		if err := d.store.DeleteUser(ctx, u.ID); err != nil {
			return userError(u.ID, err)
		}
		return c.print(map[string]string{"removed": u.ID}, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "User %s is gone.\n", u.ID)
		})
	})
}
