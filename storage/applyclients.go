package storage

import (
	"context"
	"fmt"

	"sallyport/grants"
)

// ApplyClients makes the given clients the ones that the configuration file owns, in one transaction. Those that are
// so already are not rewritten; those that the file had before and has no longer are disabled, and their access tokens
// end. [ErrStaleRevision] when the database has a higher revision, [ErrExists], with its id, when a client of the same
// id does not belong to the file; nothing changes then.
func (s *Store) ApplyClients(ctx context.Context, revision int, clients []Client) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		have, err := s.lock(ctx, settingRevision)
		if err != nil {
			return err
		}
		if int64(revision) < have {
			return fmt.Errorf("applying clients of revision %d, the database has %d: %w", revision, have, ErrStaleRevision)
		}
		if _, err := s.exec(ctx, "writing revision", "UPDATE settings SET n = ? WHERE name = ?", revision, settingRevision); err != nil {
			return err
		}
		stored, err := s.Clients(ctx)
		if err != nil {
			return err
		}
		before := make(map[string]Client, len(stored))
		for _, c := range stored {
			before[c.ID] = c
		}
		for _, c := range clients {
			if err := s.applyClient(ctx, before, c); err != nil {
				return err
			}
			delete(before, c.ID)
		}
		return s.disableGone(ctx, before)
	})
}

// disableGone disables the clients that the file owned and has no longer.
func (s *Store) disableGone(ctx context.Context, left map[string]Client) error {
	for _, before := range left {
		if !before.FromFile || before.Disabled {
			continue
		}
		after := before
		after.Disabled = true
		if err := s.writeClient(ctx, before, after); err != nil {
			return err
		}
		if err := s.appendApplied(ctx, after.ID, "disabled"); err != nil {
			return err
		}
	}
	return nil
}

// appendApplied writes that the configuration file changed a client.
func (s *Store) appendApplied(ctx context.Context, clientID, how string) error {
	return s.Append(ctx, grants.Event{Type: EventClientApplied, ClientID: clientID, Detail: how + " by the configuration file"})
}

func (s *Store) applyClient(ctx context.Context, stored map[string]Client, c Client) error {
	before, there := stored[c.ID]
	switch {
	case there && !before.FromFile:
		return fmt.Errorf("applying client %q, which was added by other means: %w", c.ID, ErrExists)
	case there && before.Same(c) && !c.TokensValidFrom.After(before.TokensValidFrom):
		return nil
	case there:
		if err := s.writeClient(ctx, before, c); err != nil {
			return err
		}
		return s.appendApplied(ctx, c.ID, "changed")
	}
	c.FromFile, c.CreatedAt = true, s.now()
	c.UpdatedAt = c.CreatedAt
	n, err := s.insertClient(ctx, c)
	if err == nil && n == 0 {
		return fmt.Errorf("applying client %q: %w", c.ID, ErrExists)
	}
	if err != nil {
		return err
	}
	return s.appendApplied(ctx, c.ID, "added")
}
