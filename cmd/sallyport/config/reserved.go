package config

const later = "is not available in this version"

// laterKeys are keys that the design names and this version does not have. They get a clearer answer than a typing
// mistake. A path with [] stands for every entry of a list.
var laterKeys = map[string]string{
	"metrics":                          later + "; remove it",
	"connections":                      later + "; the connections are email and sms: set mail.transport and sms.transport",
	"sms.webhook":                      later + "; use sms.twilio, with base_url for a gateway that speaks its API",
	"clients[].backchannel_logout_uri": later + "; remove it",
	"clients[].cross_device":           later + "; remove it",
	"clients[].fapi2":                  later + "; remove it",
}

// laterValues are values of the same kind, written "key=value".
var laterValues = map[string]string{
	"mail.transport=sendgrid":                later,
	"mail.transport=mandrill":                later,
	"mail.transport=ses":                     later,
	"sms.transport=webhook":                  later,
	"passwordless.link.cross_device=approve": later,
}
