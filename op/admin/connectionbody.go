package admin

import (
	"slices"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// readConnectionBody lays a body over a connection. Options that are given replace all that were there. enabled is nil
// where the body does not say which clients have the connection.
func (a *API) readConnectionBody(o *object, con *storage.Connection) (enabled *[]string) {
	if clients, ok := o.texts("enabled_clients"); ok {
		enabled = &clients
	}
	if realms, ok := o.texts("realms"); ok && !slices.Equal(realms, []string{con.Name}) {
		o.wrong("realms can only be [%q] here", con.Name)
	}
	o.text("display_name")
	o.without("", "is_domain_connection", "metadata", "show_as_button")
	options, given := o.object("options")
	if !given {
		return enabled
	}
	con.Options = storage.ConnectionOptions{}
	con.Options.DisableSignup, _ = options.flag("disable_signup")
	options.text("name")
	options.same("brute_force_protection", true)
	totp, _ := options.object("totp")
	if n, ok := totp.number("length", minCodeLength, grants.LongCodeLength); ok {
		con.Options.CodeLength = int(n)
	}
	if n, ok := totp.number("time_step", minTimeStep, int64(grants.MaxChallengeAge/time.Second)); ok {
		con.Options.Lifetime = time.Duration(n) * time.Second
	}
	options.within(totp)
	readMessageOptions(options)
	o.within(options)
	return enabled
}

const minCodeLength, minTimeStep = 6, 30

// readMessageOptions refuses what the configuration file and the templates say here.
func readMessageOptions(options *object) {
	mail, _ := options.object("email")
	mail.without(": set mail.from in the configuration file", "from")
	mail.without(": messages come from this server's templates", "subject", "body", "syntax")
	options.within(mail)
	options.without(": set sms.twilio.from in the configuration file", "from")
	options.without(": messages come from this server's templates", "template", "syntax")
	options.without(": set sms.twilio in the configuration file", "twilio_sid", "twilio_token", "messaging_service_sid", "provider")
	options.without(": set sms.webhook in the configuration file", "gateway_url", "gateway_authentication", "forward_req_info")
	options.without(": applications send authParams themselves", "authParams")
	options.without("", "upstream_params", "set_user_root_attributes", "non_persistent_attrs")
}
