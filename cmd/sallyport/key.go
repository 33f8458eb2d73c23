package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/op"
	"sallyport/storage"
)

func (c *cli) keyCommand() *cobra.Command {
	return group("key", "Manage signing keys and master secrets", c.keyList(), c.keyRotate(), c.keyRetire())
}

// keysView is what key list shows.
type keysView struct {
	SigningKeys []signingKeyView `json:"signing_keys"`
	Secrets     []secretView     `json:"secrets"`
}

type signingKeyView struct {
	ID          string     `json:"kid"`
	Alg         string     `json:"alg"`
	State       string     `json:"state"` // next, signing, retiring
	SignFrom    *time.Time `json:"sign_from"`
	VerifyUntil *time.Time `json:"verify_until"`
	SealedBy    string     `json:"sealed_by"`
}

func (c *cli) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List signing keys, master secrets and what depends on them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				v, err := c.viewKeys(cmd.Context(), d)
				if err != nil {
					return err
				}
				return c.print(v, func(w io.Writer) { printKeys(w, v) })
			})
		},
	}
}

func (c *cli) viewKeys(ctx context.Context, d *deployment) (keysView, error) {
	rows, err := d.store.SigningKeys(ctx)
	if err != nil {
		return keysView{}, fmt.Errorf("reading the signing keys: %w", err)
	}
	v := keysView{SigningKeys: []signingKeyView{}}
	if v.Secrets, err = c.viewSecrets(ctx, d); err != nil {
		return keysView{}, err
	}
	for _, k := range rows {
		v.SigningKeys = append(v.SigningKeys, signingKeyView{
			ID: k.ID, Alg: k.Alg, State: keyState(rows, k, c.now()), SignFrom: moment(k.SignFrom), VerifyUntil: moment(k.VerifyUntil), SealedBy: k.SealedBy,
		})
	}
	return v, nil
}

// keyState is what a key is good for: of the keys of an algorithm the newest whose time has come signs.
func keyState(keys []storage.SigningKey, k storage.SigningKey, now time.Time) string {
	if now.Before(k.SignFrom) {
		return "next"
	}
	for _, other := range slices.Backward(keys) { // newest first
		if other.Alg == k.Alg && !now.Before(other.SignFrom) {
			if other.ID == k.ID {
				return "signing"
			}
			break
		}
	}
	return "retiring"
}

func printKeys(w io.Writer, v keysView) {
	rows := [][]string{{"SIGNING KEY", "ALG", "STATE", "SIGNS FROM", "PUBLISHED UNTIL", "SEALED BY"}}
	for _, k := range v.SigningKeys {
		rows = append(rows, []string{k.ID, k.Alg, k.State, stampOf(k.SignFrom), stampOf(k.VerifyUntil), k.SealedBy})
	}
	table(w, rows...)
	_, _ = fmt.Fprintln(w)
	printSecrets(w, v.Secrets)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return stamp(*t)
}

func (c *cli) keyRotate() *cobra.Command {
	var alg string
	var secret bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Publish new signing keys, or seal everything anew with the first master secret", Args: cobra.NoArgs,
		Long: `Publish a new signing key for every algorithm, or for one. It begins to sign when everybody can know it, some minutes
later; the old key stays published until all that it signed is over. Nobody is signed out.

With --secret no key is new: the signing keys and the audit log are sealed again with the first master secret, so that an old
one can go. Processes do that by themselves some minutes after the last of them sealed with the old one; before, it is refused.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if secret {
				return c.reseal(cmd, args)
			}
			return c.change(cmd, args, func(d *deployment) error {
				if err := c.rotate(cmd.Context(), d.store, alg); err != nil {
					return err
				}
				v, err := c.viewKeys(cmd.Context(), d)
				if err != nil {
					return err
				}
				return c.print(v, func(w io.Writer) { printKeys(w, v) })
			})
		},
	}
	cmd.Flags().StringVar(&alg, "alg", "", "RS256, ES256 or EdDSA (default: all)")
	cmd.Flags().BoolVar(&secret, "secret", false, "seal anew with the first master secret instead")
	cmd.MarkFlagsMutuallyExclusive("alg", "secret")
	return cmd
}

// rotate publishes new keys for one algorithm, or for all.
func (c *cli) rotate(ctx context.Context, store *storage.Store, alg string) error {
	algs := op.Algorithms()
	if alg != "" {
		algs = []string{alg}
	}
	keys, err := store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	for _, a := range algs {
		// A first key signs at once, and that is for serve to make; one that is rotated in signs later.
		if slices.Contains(op.Algorithms(), a) && !slices.ContainsFunc(keys, func(k storage.SigningKey) bool { return k.Alg == a }) {
			return fmt.Errorf("there is no %s key to rotate yet; it is made at the first start: sallyport serve", a)
		}
		if _, err := op.RotateKeys(ctx, store, a); err != nil {
			return fmt.Errorf("rotating %s: %w", a, err)
		}
	}
	return nil
}

func (c *cli) keyRetire() *cobra.Command {
	var compromised bool
	cmd := &cobra.Command{
		Use: "retire ID", Short: "Replace a signing key, or drop a key or master secret that others know", Args: cobra.ExactArgs(1),
		Long: `Replace a signing key by a new one of its algorithm; it stays published until all that it signed is over.

With --compromised it is dropped at once, everywhere within a minute, and another key signs from now on, one that waits
or else a new one: tokens that it signed are worth nothing any more, and apps that keep our keys may fail until they read
them again.

"retire --compromised" of a master secret ends what was made while it sealed, and in the minute after: sessions, tokens, pending
codes. It is thrown out first, and the rest follows; run it again, or let the processes do it, if that is cut off. Client secrets
go on. Another secret has to be in the configuration of every process before; one without stops.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				secret, err := isSecretID(cmd.Context(), d, args[0])
				switch {
				case err != nil:
					return err
				case secret && compromised:
					return c.retireSecret(cmd, args, d)
				case secret:
					return errors.New("a master secret goes by leaving the configuration; with --compromised it is thrown out with all that it made")
				}
				return c.atOnce(cmd, args, d, func() error { return c.retireKey(cmd.Context(), d, args[0], compromised) })
			})
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "somebody else has it: drop it at once")
	return cmd
}

// retireKey replaces a signing key, or drops one that somebody else has.
func (c *cli) retireKey(ctx context.Context, d *deployment, id string, compromised bool) error {
	keys, err := d.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	at := slices.IndexFunc(keys, func(k storage.SigningKey) bool { return k.ID == id })
	if at < 0 {
		return fmt.Errorf("there is no signing key %q; see: sallyport key list", id)
	}
	switch {
	case compromised:
		err = op.DropKey(ctx, d.store, keys[at])
	case !keys[at].VerifyUntil.IsZero():
		return fmt.Errorf("signing key %s is retiring already, published until %s", id, stamp(keys[at].VerifyUntil))
	default:
		_, err = op.RotateKeys(ctx, d.store, keys[at].Alg)
	}
	if err != nil {
		return fmt.Errorf("retiring signing key %s: %w", id, err)
	}
	v, err := c.viewKeys(ctx, d)
	if err != nil {
		return err
	}
	return c.print(v, func(w io.Writer) { printKeys(w, v) })
}
