package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"sallyport/storage"
)

// connectionView is a connection in Auth0's shape. There are two, email and sms, whose names are also their strategies.
type connectionView struct {
	ID             string                `json:"id"`
	Name           string                `json:"name"`
	Strategy       string                `json:"strategy"`
	Options        connectionOptionsView `json:"options"`
	Realms         []string              `json:"realms"`
	EnabledClients []string              `json:"enabled_clients"`
	IsDomain       bool                  `json:"is_domain_connection"`
}

type connectionOptionsView struct {
	Name          string   `json:"name"`
	DisableSignup bool     `json:"disable_signup"`
	BruteForce    bool     `json:"brute_force_protection"`
	TOTP          totpView `json:"totp"`
}

type totpView struct {
	Length   int   `json:"length"`
	TimeStep int64 `json:"time_step"`
}

const connectionPrefix = "con_"

func errNoConnection() error {
	return notFound("inexistent_connection", "The connection does not exist")
}

// connection reads a connection that this deployment has; a removed one is not there.
func (a *API) connection(ctx context.Context, name string) (storage.Connection, error) {
	if _, ok := a.cfg.Connections[name]; !ok {
		return storage.Connection{}, errNoConnection()
	}
	con, err := a.cfg.Store.Connection(ctx, name)
	if err == nil && con.Disabled {
		err = errNoConnection()
	}
	return con, err
}

func (a *API) connectionByID(ctx context.Context, c *call) (storage.Connection, error) {
	name, ok := strings.CutPrefix(c.PathValue("id"), connectionPrefix)
	if !ok {
		return storage.Connection{}, errNoConnection()
	}
	return a.connection(ctx, name)
}

// viewConnection shows what is in force: what is stored over what the deployment says.
func (a *API) viewConnection(con storage.Connection, clients []storage.Client) connectionView {
	site := a.cfg.Connections[con.Name]
	v := connectionView{
		ID: connectionPrefix + con.Name, Name: con.Name, Strategy: con.Name, Realms: []string{con.Name}, EnabledClients: []string{},
		Options: connectionOptionsView{
			Name: con.Name, BruteForce: true, DisableSignup: con.Options.DisableSignup || site.SignupClosed,
			TOTP: totpView{Length: con.Options.CodeLength, TimeStep: seconds(con.Options.Lifetime, site.Lifetime)},
		},
	}
	if v.Options.TOTP.Length == 0 {
		v.Options.TOTP.Length = site.CodeLength
	}
	for _, c := range clients {
		if uses(c, con.Name) {
			v.EnabledClients = append(v.EnabledClients, c.ID)
		}
	}
	return v
}

func uses(c storage.Client, connection string) bool {
	return !c.Disabled && slices.Contains(c.Connections, connection)
}

func (a *API) listConnections(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(0)
	name, strategies := q.text("name"), q.all("strategy")
	if err := q.done(); err != nil {
		return reply{}, err
	}
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return reply{}, err
	}
	var views []connectionView
	for _, known := range []string{"email", "sms"} {
		con, err := a.connection(ctx, known)
		if status(err) == http.StatusNotFound || name != "" && name != known || len(strategies) > 0 && !slices.Contains(strategies, known) {
			continue
		}
		if err != nil {
			return reply{}, err
		}
		views = append(views, a.viewConnection(con, clients))
	}
	return show(p, "connections", len(views), of(p, views)), nil
}

func (a *API) readConnection(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	f := q.fields()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	con, err := a.connectionByID(ctx, c)
	if err != nil {
		return reply{}, err
	}
	return a.showConnection(ctx, con, f, http.StatusOK)
}

func (a *API) showConnection(ctx context.Context, con storage.Connection, f fields, status int) (reply, error) {
	clients, err := a.cfg.Store.Clients(ctx)
	return reply{status: status, body: f.of(a.viewConnection(con, clients))}, err
}

// createConnection brings back a connection that was removed.
func (a *API) createConnection(ctx context.Context, c *call) (reply, error) {
	o := newObject(c.body, "")
	o.need("name")
	o.need("strategy")
	name, _ := o.text("name")
	strategy, _ := o.text("strategy")
	_, there := a.cfg.Connections[name]
	switch {
	case o.fault != nil:
	case strategy != "email" && strategy != "sms":
		o.wrong("strategy must be email or sms: there is nothing else to sign in by")
	case name != strategy:
		o.wrong("the connection of strategy %s has the name %s, and there is one", strategy, strategy)
	case !there:
		o.wrong("nothing can be sent by %s: set %s.transport in the configuration file", name, transports[name])
	}
	con := storage.Connection{Name: name}
	enabled := a.readConnectionBody(o, &con)
	if err := o.done(); err != nil {
		return reply{}, err
	}
	if _, err := a.connection(ctx, name); err == nil {
		return reply{}, conflict("", "A connection with the same name already exists")
	} else if status(err) != http.StatusNotFound {
		return reply{}, err
	}
	return a.putConnection(ctx, c, con, enabled, http.StatusCreated)
}

// transports are the keys of the configuration under which a connection's messages are sent.
var transports = map[string]string{"email": "mail", "sms": "sms"}

func (a *API) updateConnection(ctx context.Context, c *call) (reply, error) {
	con, err := a.connectionByID(ctx, c)
	if err != nil {
		return reply{}, err
	}
	o := newObject(c.body, "")
	o.same("name", con.Name)
	o.same("strategy", con.Name)
	o.same("id", connectionPrefix+con.Name)
	enabled := a.readConnectionBody(o, &con)
	if err := o.done(); err != nil {
		return reply{}, err
	}
	return a.putConnection(ctx, c, con, enabled, http.StatusOK)
}

func (a *API) putConnection(ctx context.Context, c *call, con storage.Connection, enabled *[]string, status int) (reply, error) {
	con.Disabled = false
	if err := a.cfg.Store.PutConnection(ctx, con, a.event(c, EventConnectionChanged)); err != nil {
		return reply{}, err
	}
	if enabled != nil {
		if err := a.enableExactly(ctx, con.Name, *enabled); err != nil {
			return reply{}, err
		}
	}
	return a.showConnection(ctx, con, fields{}, status)
}

// EventConnectionChanged is the type of the event of a connection that was changed, removed or brought back.
const EventConnectionChanged = "connection.changed"

// deleteConnection switches a connection off. Unlike at Auth0 its users stay.
func (a *API) deleteConnection(ctx context.Context, c *call) (reply, error) {
	con, err := a.connectionByID(ctx, c)
	if status(err) == http.StatusNotFound {
		return noContent, nil
	}
	if err != nil {
		return reply{}, err
	}
	con.Disabled = true
	err = a.cfg.Store.PutConnection(ctx, con, a.event(c, EventConnectionChanged))
	return reply{status: http.StatusAccepted, body: map[string]string{"deleted_at": iso(a.cfg.Now())}}, err
}
