package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
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

type secretView struct {
	ID            string `json:"id"`
	Position      int    `json:"position"` // 1 seals; 0 has left the ring
	SigningKeys   int    `json:"signing_keys"`
	ClientSecrets int    `json:"client_secrets"`
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
	clients, err := d.store.Clients(ctx)
	if err != nil {
		return keysView{}, fmt.Errorf("reading the clients: %w", err)
	}
	v := keysView{SigningKeys: []signingKeyView{}}
	secrets := map[string]*secretView{}
	order := d.ring.KeyIDs()
	secret := func(id string) *secretView {
		if secrets[id] == nil {
			secrets[id] = &secretView{ID: id, Position: slices.Index(order, id) + 1}
		}
		if !slices.Contains(order, id) {
			order = append(order, id)
		}
		return secrets[id]
	}
	for _, k := range rows {
		v.SigningKeys = append(v.SigningKeys, signingKeyView{
			ID: k.ID, Alg: k.Alg, State: keyState(rows, k, c.now()), SignFrom: moment(k.SignFrom), VerifyUntil: moment(k.VerifyUntil), SealedBy: k.SealedBy,
		})
		secret(k.SealedBy).SigningKeys++
	}
	for _, client := range clients {
		for _, s := range client.Secrets {
			if rest, ok := strings.CutPrefix(s, "hmac:"); ok {
				id, _, _ := strings.Cut(rest, ":")
				secret(id).ClientSecrets++
			}
		}
	}
	for _, id := range slices.Clone(order) {
		v.Secrets = append(v.Secrets, *secret(id))
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
	rows = [][]string{{"MASTER SECRET", "PLACE", "SIGNING KEYS", "CLIENT SECRETS"}}
	for _, s := range v.Secrets {
		place := strconv.Itoa(s.Position)
		switch s.Position {
		case 0:
			place = "gone"
		case 1:
			place = "1, seals"
		}
		rows = append(rows, []string{s.ID, place, strconv.Itoa(s.SigningKeys), strconv.Itoa(s.ClientSecrets)})
	}
	table(w, rows...)
	if len(v.Secrets) > 1 {
		_, _ = fmt.Fprint(w, "\nA secret may be dropped when nothing is counted for it (signing keys move with \"sallyport key rotate --secret\",\n"+
			"client secrets with \"sallyport client rotate-secret\") and what it gave out is over: codes, refresh tokens, logins.\n")
	}
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

With --secret no key is new: the signing keys are sealed again with the first master secret, so that an old one can go.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				if secret {
					return c.reseal(cmd.Context(), d)
				}
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
		if _, err := op.RotateKeys(ctx, store, a, c.now()); err != nil {
			return fmt.Errorf("rotating %s: %w", a, err)
		}
	}
	return nil
}

func (c *cli) reseal(ctx context.Context, d *deployment) error {
	n, err := d.store.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("sealing anew: %w", err)
	}
	return c.print(map[string]any{"sealed": n, "secret": d.ring.KeyID()}, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "Sealed %d values anew with %s.\n", n, d.ring.KeyID())
	})
}

func (c *cli) keyRetire() *cobra.Command {
	var compromised bool
	cmd := &cobra.Command{
		Use: "retire KID", Short: "Replace a signing key, or drop one that others know", Args: cobra.ExactArgs(1),
		Long: `Replace a signing key by a new one of its algorithm; it stays published until all that it signed is over.

With --compromised it is dropped at once, everywhere within a minute, and another key signs from now on, one that waits
or else a new one: tokens that it
signed are worth nothing any more, and apps that keep our keys may fail until they read them again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				keys, err := d.store.SigningKeys(cmd.Context())
				if err != nil {
					return fmt.Errorf("reading the signing keys: %w", err)
				}
				at := slices.IndexFunc(keys, func(k storage.SigningKey) bool { return k.ID == args[0] })
				if at < 0 {
					return fmt.Errorf("there is no signing key %q; see: sallyport key list", args[0])
				}
				switch {
				case compromised:
					err = c.dropKey(cmd.Context(), d.store, keys[at])
				case !keys[at].VerifyUntil.IsZero():
					return fmt.Errorf("signing key %s is retiring already, published until %s", args[0], stamp(keys[at].VerifyUntil))
				default:
					_, err = op.RotateKeys(cmd.Context(), d.store, keys[at].Alg, c.now())
				}
				if err != nil {
					return fmt.Errorf("retiring signing key %s: %w", args[0], err)
				}
				v, err := c.viewKeys(cmd.Context(), d)
				if err != nil {
					return err
				}
				return c.print(v, func(w io.Writer) { printKeys(w, v) })
			})
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "somebody else has it: drop it at once")
	return cmd
}

// dropKey takes a key away and makes sure that another of its algorithm signs from now on.
func (c *cli) dropKey(ctx context.Context, store *storage.Store, gone storage.SigningKey) error {
	now := c.now()
	fresh, err := op.NewSigningKey(gone.Alg, now)
	if err != nil {
		return err
	}
	fresh.SignFrom = now
	return store.WithKeyLock(ctx, func(ctx context.Context) error {
		keys, err := store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(keys, func(k storage.SigningKey) bool { return k.ID == gone.ID }) {
			return errors.New("it is gone already")
		}
		other := slices.ContainsFunc(keys, func(k storage.SigningKey) bool {
			return k.ID != gone.ID && k.Alg == gone.Alg && k.VerifyUntil.IsZero() && !now.Before(k.SignFrom)
		})
		waiting := slices.IndexFunc(keys, func(k storage.SigningKey) bool {
			return k.ID != gone.ID && k.Alg == gone.Alg && k.VerifyUntil.IsZero() && now.Before(k.SignFrom)
		})
		switch {
		case other:
		case waiting >= 0:
			err = store.StartSigningKey(ctx, keys[waiting].ID, now)
		default:
			err = store.AddSigningKey(ctx, fresh)
		}
		if err != nil {
			return err
		}
		return store.DeleteSigningKey(ctx, gone.ID)
	})
}
