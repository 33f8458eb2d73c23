package config

import (
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

const later = "is not available in this version"

// laterKeys are keys that the design names and this version does not have. They get a clearer answer than a typing
// mistake, and may stand there with nothing in them. A path with [] stands for every entry of a list.
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

var anyIndex = regexp.MustCompile(`\[[^\]]*\]`)

// reserved tells whether a key is one of laterKeys, and what to do about it.
func reserved(path string) (why string, ok bool) {
	why, ok = laterKeys[anyIndex.ReplaceAllString(path, "[]")]
	return why, ok
}

// hasNothing tells whether a value is empty, zero or false, or made of such alone. What an alias stands for is not looked at.
func hasNothing(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return true
		case "!!bool":
			return n.Value == "false"
		case "!!int":
			return n.Value == "0"
		}
		return n.Value == ""
	case yaml.SequenceNode:
		return !slices.ContainsFunc(n.Content, hasSomething)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if hasSomething(n.Content[i]) {
				return false
			}
		}
		return true
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return false
}

func hasSomething(n *yaml.Node) bool { return !hasNothing(n) }
