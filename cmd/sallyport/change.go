package main

import (
	"bytes"
	"context"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/grants"
)

// eventCommand is the type of the event that every command which changes something writes, beside the events of what it changed.
const eventCommand = "cli.operation"

// change is [cli.with] for a command that changes something, see [cli.atOnce].
func (c *cli) change(cmd *cobra.Command, args []string, do func(*deployment) error) error {
	return c.with(cmd.Context(), func(d *deployment) error {
		return c.atOnce(cmd, args, d, func() error { return do(d) })
	})
}

// atOnce changes something in one transaction, which cmd's context carries, together with an event that says who did what. What it
// prints comes when that is written; where the database asks for it, it runs again. What may be large comes after it, in batches.
func (c *cli) atOnce(cmd *cobra.Command, args []string, d *deployment, do func() error) error {
	ctx, out := cmd.Context(), c.stdout
	defer func() { cmd.SetContext(ctx); c.stdout = out }()
	var said bytes.Buffer
	c.stdout = &said
	err := d.store.Tx(ctx, func(ctx context.Context) error {
		said.Reset()
		cmd.SetContext(ctx)
		if err := do(); err != nil {
			return err
		}
		return d.store.Append(ctx, c.commandEvent(cmd, args))
	})
	if err == nil {
		_, err = said.WriteTo(out)
	}
	return err
}

// note writes who begins a command that is many transactions.
func (c *cli) note(cmd *cobra.Command, args []string, d *deployment) error {
	if err := d.store.Append(cmd.Context(), c.commandEvent(cmd, args)); err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	return nil
}

// commandEvent says who ran a command, with which arguments and flags. The values of flags are not among them, and addresses are
// masked.
func (c *cli) commandEvent(cmd *cobra.Command, args []string) grants.Event {
	words := []string{"by " + who() + ": " + strings.TrimPrefix(cmd.CommandPath(), "sallyport ")}
	for _, arg := range args {
		if address, err := grants.ParseAddress(arg); err == nil {
			arg = address.Masked()
		}
		words = append(words, plain(arg))
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "config" && f.Name != "json" {
			words = append(words, "--"+f.Name)
		}
	})
	return grants.Event{Type: eventCommand, Time: c.now(), Detail: strings.Join(words, " ")}
}

// who is the account of this machine that runs the command, as the audit log names it.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli " + plain(u.Username)
	}
	return "cli"
}
