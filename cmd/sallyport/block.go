package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/op/admin"
	"sallyport/storage"
)

func (c *cli) blockCommand() *cobra.Command {
	return group("block", "See who is blocked, why somebody was refused, and lift that", c.blockList(), c.blockExplain(), c.blockLift())
}

// blocksView is what block list shows.
type blocksView struct {
	IPs       []blockedIPView `json:"ips"`
	Addresses []exhaustedView `json:"addresses"`
	Users     []userView      `json:"users"`
}

type blockedIPView struct {
	IP       string     `json:"ip"`
	Failures int        `json:"failures"`
	Until    *time.Time `json:"until"`
}

type exhaustedView struct {
	Address string     `json:"address"`
	Limit   string     `json:"limit"`
	Until   *time.Time `json:"until"`
}

func (c *cli) blockList() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use: "list", Short: "List blocked networks, addresses that have used up a limit, and blocked users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 1 || most > 10_000 {
				return errors.New("--limit is not between 1 and 10000")
			}
			return c.with(cmd.Context(), func(d *deployment) error {
				v, err := c.viewBlocks(cmd.Context(), d, most)
				if err != nil {
					return fmt.Errorf("reading the blocks: %w", err)
				}
				return c.print(v, v.text)
			})
		},
	}
	cmd.Flags().IntVar(&most, "limit", 100, "how many of each at most")
	return cmd
}

func (c *cli) viewBlocks(ctx context.Context, d *deployment, most int) (blocksView, error) {
	v := blocksView{IPs: []blockedIPView{}, Addresses: []exhaustedView{}, Users: []userView{}}
	limits := d.cfg.GrantLimits()
	ips, err := d.store.BlockedSources(ctx, c.now(), limits.FailuresPerIP, most)
	if err != nil {
		return v, err
	}
	for _, b := range ips {
		v.IPs = append(v.IPs, blockedIPView{b.Source, b.Failures, moment(b.Until)})
	}
	budgets, err := d.store.ExhaustedBudgets(ctx, c.now(), limits, most)
	if err != nil {
		return v, err
	}
	for _, b := range budgets {
		v.Addresses = append(v.Addresses, exhaustedView{b.Address.Value, b.Limit, moment(b.Until)})
	}
	users, err := d.store.BlockedUsers(ctx, most)
	for _, u := range users {
		v.Users = append(v.Users, viewUser(u))
	}
	return v, err
}

func (v blocksView) text(w io.Writer) {
	rows := [][]string{{"BLOCKED", "WHY", "UNTIL"}}
	for _, b := range v.IPs {
		rows = append(rows, []string{b.IP, fmt.Sprintf("%d wrong codes (failures_per_ip)", b.Failures), stampOf(b.Until)})
	}
	for _, b := range v.Addresses {
		rows = append(rows, []string{b.Address, b.Limit, stampOf(b.Until)})
	}
	for _, u := range v.Users {
		rows = append(rows, []string{u.ID, "blocked user: " + u.addresses(), "-"})
	}
	table(w, rows...)
}

// about are the flags that name whom a command is about.
type about struct {
	email, phone, ip, client string
}

func (a *about) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.email, "email", "", "e-mail address")
	cmd.Flags().StringVar(&a.phone, "phone", "", "phone number, with + and its country's code")
	cmd.Flags().StringVar(&a.ip, "ip", "", "IP address, or IPv6 network such as 2001:db8::/64")
	cmd.MarkFlagsMutuallyExclusive("email", "phone")
}

func (a *about) question() (storage.Question, error) {
	q := storage.Question{ClientID: a.client}
	var err error
	switch {
	case a.email != "":
		q.Address, err = grants.ParseFor(grants.Email, a.email)
	case a.phone != "":
		q.Address, err = grants.ParseFor(grants.SMS, a.phone)
	}
	if err != nil {
		return q, fmt.Errorf("%q: %w", a.email+a.phone, err)
	}
	if a.ip != "" {
		if q.IP, q.Source = admin.SourceOf(a.ip); q.Source == "" {
			return q, fmt.Errorf("--ip: %q is no IP address", a.ip)
		}
	}
	return q, nil
}

func (c *cli) blockExplain() *cobra.Command {
	var a about
	cmd := &cobra.Command{
		Use: "explain", Short: "Say why an address, a network or a client was refused", Args: cobra.NoArgs,
		Example: `  sallyport block explain --email ada@example.com --ip 203.0.113.9
  sallyport block explain --phone "+49 170 1234567" --client shop`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := a.question()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(d *deployment) error {
				rules := rulesOf(d.cfg)
				// What the serving processes see, as of now.
				watch := grants.NewWatch(grants.WatchConfig{
					Store: d.store, Spraying: rules.Limits.Spraying, FailuresPerClient: rules.Limits.FailuresPerClient, Alerts: grants.NoAlerts{}, Now: c.now,
					Log: slog.New(slog.DiscardHandler),
				})
				if err := watch.Look(cmd.Context()); err != nil {
					return fmt.Errorf("counting wrong codes: %w", err)
				}
				rules.Risk = watch.Risk
				x, err := d.store.Explain(cmd.Context(), c.now(), q, rules)
				if err != nil {
					return err
				}
				return c.print(viewExplanation(x), func(w io.Writer) { printExplanation(w, x) })
			})
		},
	}
	a.bind(cmd)
	cmd.Flags().StringVar(&a.client, "client", "", "id of a client")
	cmd.MarkFlagsOneRequired("email", "phone", "ip", "client")
	return cmd
}

func rulesOf(cfg *config.Config) storage.Rules {
	r := storage.Rules{Limits: cfg.GrantLimits(), SignupClosed: cfg.Passwordless.Signup == "closed", Countries: cfg.SMS.Countries, Exempt: admin.Exempt(cfg.AllowedNetworks())}
	if cfg.MailTransport() != config.TransportNone {
		r.Channels = append(r.Channels, grants.Email)
	}
	if cfg.SMSTransport() != config.TransportNone {
		r.Channels = append(r.Channels, grants.SMS)
	}
	return r
}

type explanationView struct {
	Reasons []reasonView     `json:"reasons"`
	Events  []explainedEvent `json:"events"`
}

type reasonView struct {
	storage.Reason

	Until *time.Time `json:"until"`
}

type explainedEvent struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	ClientID string    `json:"client_id"`
	UserID   string    `json:"user_id"`
	Address  string    `json:"address"` // masked
	IP       string    `json:"ip"`
	Detail   string    `json:"detail"`
}

func viewExplanation(x storage.Explanation) explanationView {
	v := explanationView{Reasons: []reasonView{}, Events: []explainedEvent{}}
	for _, r := range x.Reasons {
		v.Reasons = append(v.Reasons, reasonView{r, moment(r.Until)})
	}
	for _, e := range x.Events {
		v.Events = append(v.Events, explainedEvent{e.Time, e.Type, e.ClientID, e.UserID, e.Address, e.IP, e.Detail})
	}
	return v
}

func printExplanation(w io.Writer, x storage.Explanation) {
	refused := false
	for _, r := range x.Reasons {
		mark := "   "
		if r.Refuses {
			mark, refused = "!! ", true
		}
		_, _ = fmt.Fprintln(w, mark+plain(r.Text))
	}
	if !refused {
		_, _ = fmt.Fprintln(w, "   Nothing that is known here refuses them now.")
	}
	if len(x.Events) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	rows := [][]string{{"WHEN", "WHAT", "ADDRESS", "IP", "CLIENT", "DETAIL"}}
	for _, e := range x.Events {
		rows = append(rows, []string{stamp(e.Time), e.Type, e.Address, e.IP, e.ClientID, e.Detail})
	}
	table(w, rows...)
}

func (c *cli) blockLift() *cobra.Command {
	var a about
	cmd := &cobra.Command{
		Use: "lift", Short: "Give a network or an address back what it has used up", Args: cobra.NoArgs,
		Long: `Give a network its wrong codes back, or an address its limits of codes, messages and wrong codes. A blocked user is let in
again by: sallyport user unblock`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := a.question()
			if err != nil {
				return err
			}
			return c.change(cmd, args, func(d *deployment) error {
				lifted, err := c.lift(cmd.Context(), d, q)
				if err != nil {
					return fmt.Errorf("lifting: %w", err)
				}
				blocked, err := blockedUser(cmd.Context(), d, q.Address)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"lifted": lifted, "blocked_user": blocked}, func(w io.Writer) {
					if lifted {
						_, _ = fmt.Fprintln(w, "Lifted.")
					} else {
						_, _ = fmt.Fprintln(w, "Nothing was used up.")
					}
					if blocked != "" {
						_, _ = fmt.Fprintf(w, "The user stays blocked. Let them in again with: sallyport user unblock '%s'\n", plain(blocked))
					}
				})
			})
		},
	}
	a.bind(cmd)
	cmd.MarkFlagsOneRequired("email", "phone", "ip")
	return cmd
}

// blockedUser is the id of the user of an address where they are blocked.
func blockedUser(ctx context.Context, d *deployment, a grants.Address) (string, error) {
	u, err := d.store.UserByAddress(ctx, a)
	if errors.Is(err, storage.ErrNotFound) || err == nil && !u.Blocked {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the user: %w", err)
	}
	return u.ID, nil
}

func (c *cli) lift(ctx context.Context, d *deployment, q storage.Question) (bool, error) {
	e := grants.Event{Type: admin.EventBudgetsReset, Time: c.now(), Detail: "by " + who()}
	source, address := false, false
	var err error
	if q.Source != "" {
		if source, err = d.store.LiftSource(ctx, q.Source, e); err != nil {
			return false, err
		}
	}
	if q.Address != (grants.Address{}) {
		var keys []string
		for _, counter := range d.cfg.GrantLimits().Guards(q.Address) {
			keys = append(keys, counter.Key)
		}
		e.Address = q.Address.Masked()
		address, err = d.store.ResetCounters(ctx, keys, e)
	}
	return source || address, err
}
