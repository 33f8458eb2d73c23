package main

import "github.com/spf13/cobra"

func (c *cli) importCommand() *cobra.Command {
	return group("import", "Bring in what another system has", c.importAuth0(), c.importTenant())
}
