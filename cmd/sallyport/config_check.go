package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
)

func (c *cli) configCommand() *cobra.Command {
	check := &cobra.Command{
		Use: "check", Short: "Say everything that is wrong with the configuration, without starting anything", Args: cobra.NoArgs,
		Long: `Say everything that is wrong with the configuration, without starting anything. The database is not opened: what it holds, and
whether it can be reached, is for: sallyport doctor`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.loadToStart(cmd.Context())
			var problems config.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			result := struct {
				OK       bool             `json:"ok"`
				File     string           `json:"file"`
				Problems []config.Problem `json:"problems"`
				Warnings []config.Problem `json:"warnings"`
			}{err == nil, c.configFile(), append([]config.Problem{}, problems...), []config.Problem{}}
			if cfg != nil {
				result.Warnings = append(result.Warnings, cfg.Warnings()...)
			}
			if printed := c.print(result, func(w io.Writer) {
				for _, p := range result.Warnings {
					_, _ = fmt.Fprintln(w, "warning:", p)
				}
				if result.OK {
					_, _ = fmt.Fprintln(w, "The configuration is good.")
				}
			}); printed != nil {
				return printed
			}
			return err
		},
	}
	return group("config", "Look at the configuration", check)
}
