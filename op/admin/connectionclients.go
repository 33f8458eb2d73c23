package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sallyport/op/web"
	"sallyport/storage"
)

func (a *API) connectionClients(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(0)
	p.checkpoint = true
	if err := q.done(); err != nil {
		return reply{}, err
	}
	con, err := a.connectionByID(ctx, c)
	if err != nil {
		return reply{}, err
	}
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return reply{}, err
	}
	var ids []map[string]string
	for _, client := range clients {
		if uses(client, con.Name) {
			ids = append(ids, map[string]string{"client_id": client.ID})
		}
	}
	return show(p, "clients", len(ids), of(p, ids)), nil
}

// changeConnectionClients takes [{client_id, status}].
func (a *API) changeConnectionClients(ctx context.Context, c *call) (reply, error) {
	con, err := a.connectionByID(ctx, c)
	if err != nil {
		return reply{}, err
	}
	given, ok := c.body.([]any)
	if !ok {
		return reply{}, badBody("Expected type array but found type " + web.JSONType(c.body))
	}
	for _, v := range given {
		o := newObject(v, "")
		o.need("client_id")
		o.need("status")
		id, _ := o.text("client_id")
		on, _ := o.flag("status")
		if err := o.done(); err != nil {
			return reply{}, err
		}
		if err := a.enable(ctx, id, con.Name, on); err != nil {
			return reply{}, err
		}
	}
	return noContent, nil
}

// enableExactly makes these clients the ones that have a connection.
func (a *API) enableExactly(ctx context.Context, connection string, ids []string) error {
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return err
	}
	for _, c := range clients {
		if on := slices.Contains(ids, c.ID); on != uses(c, connection) {
			if err := a.enable(ctx, c.ID, connection, on); err != nil {
				return err
			}
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == c.ID })
	}
	if len(ids) > 0 {
		return badBody(fmt.Sprintf("enabled_clients: there is no client %s", clip(ids[0])))
	}
	return nil
}

func (a *API) enable(ctx context.Context, id, connection string, on bool) error {
	err := a.cfg.Store.UpdateClient(ctx, id, func(c *storage.Client) error {
		c.Connections = slices.DeleteFunc(slices.Clone(c.Connections), func(name string) bool { return name == connection })
		if on {
			c.Connections = append(c.Connections, connection)
			slices.Sort(c.Connections)
		}
		return nil
	})
	if errors.Is(err, storage.ErrManagedByFile) {
		return conflict(codeFile, fmt.Sprintf("The client %s is managed by the configuration file: set its connections there.", id))
	}
	return noClient(err)
}
