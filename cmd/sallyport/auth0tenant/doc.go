// Package auth0tenant reads what Auth0's deploy CLI exports of a tenant, in its two forms, and turns it into clients,
// APIs and options of connections as the configuration describes them. It writes nothing, and says of everything that it
// leaves out why.
//
// [Read] takes a folder; [Export.Plan] maps. What fails the checks of the configuration is left out one by one: an address
// of a client, or the client.
package auth0tenant
