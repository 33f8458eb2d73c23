package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (c *cli) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database to the version that this program needs", Args: cobra.NoArgs,
		Long: `Bring the database to the version that this program needs. serve does that by itself at the start, whatever the
number of processes that start at once; this command is for doing it before a roll-out.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				have, _, err := d.store.SchemaVersion(cmd.Context())
				if err != nil {
					return fmt.Errorf("reading the schema's version: %w", err)
				}
				return c.print(map[string]int{"schema": have}, func(w io.Writer) {
					_, _ = fmt.Fprintf(w, "The database is at version %d.\n", have)
				})
			})
		},
	}
}
