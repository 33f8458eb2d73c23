package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxURLBytes = 2048

func (c Client) checkURLs(path string, r *report) {
	for kind, uris := range map[string][]string{"redirect_uris": c.RedirectURIs, "post_logout_redirect_uris": c.PostLogoutRedirectURIs} {
		for i, uri := range uris {
			if problem := checkRedirectURI(uri, c.Type); problem != "" {
				r.add(fmt.Sprintf("%s%s[%d]", path, kind, i), "%s", problem)
			} else if slices.Contains(uris[:i], uri) {
				r.add(fmt.Sprintf("%s%s[%d]", path, kind, i), "%q stands twice; remove one", uri)
			}
		}
	}
	for i, origin := range c.WebOrigins {
		if slices.Contains(c.WebOrigins[:i], origin) {
			r.add(fmt.Sprintf("%sweb_origins[%d]", path, i), "%q stands twice; remove one", origin)
		}
		if problem := checkOrigin(origin); problem != "" {
			r.add(fmt.Sprintf("%sweb_origins[%d]", path, i), "%s", problem)
		}
	}
}

// checkRedirectURI accepts an absolute URI without a fragment: https, http for loopback hosts, and for native clients
// a scheme of their own that is a domain in reverse (RFC 8252, section 7). It is compared as this exact string later,
// so anything that two parsers could read differently is refused here.
func checkRedirectURI(uri, clientType string) string {
	if problem := checkPlainURL(uri); problem != "" {
		return problem
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return fmt.Sprintf("%q is not an absolute URI; write it whole, such as https://app.example.com/callback", uri)
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return checkWebURL(uri, u)
	}
	switch {
	case clientType != Native:
		return fmt.Sprintf("the scheme %s is for clients of type native; write https", u.Scheme)
	case !strings.Contains(u.Scheme, "."):
		return fmt.Sprintf("the scheme %s is no domain in reverse; write one that you own, such as com.example.app:/callback", u.Scheme)
	case u.User != nil:
		return fmt.Sprintf("%q holds a user name; remove it", uri)
	}
	return ""
}

// checkPlainURL refuses what no URL of ours needs.
func checkPlainURL(uri string) string {
	switch {
	case uri == "":
		return "the URI is empty"
	case len(uri) > maxURLBytes:
		return fmt.Sprintf("the URI has more than %d characters", maxURLBytes)
	case !printable(uri) || strings.ContainsAny(uri, ` \"<>^{|}`+"`"):
		return fmt.Sprintf("%q has characters that a URI cannot have; encode them", uri)
	case strings.Contains(uri, "#"):
		return fmt.Sprintf("%q has a fragment; remove the # and what follows", uri)
	case strings.Contains(uri, "*"):
		return fmt.Sprintf("%q has a *; URIs are compared as exact strings, so write each one out", uri)
	}
	return ""
}

func checkWebURL(uri string, u *url.URL) string {
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return fmt.Sprintf("%q has no host; write it whole, such as https://app.example.com/callback", uri)
	case u.User != nil:
		return fmt.Sprintf("%q holds a user name; remove it", uri)
	case !checkPort(u):
		return fmt.Sprintf("%q has no valid port", uri)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Sprintf("%q is http; write https (http is for localhost, 127.0.0.1 and [::1] only)", uri)
	}
	return ""
}

func checkPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n > 0 && n < 65536
}

// checkOrigin accepts what a browser sends as Origin (RFC 6454, section 6.2): scheme, host and port, nothing more.
func checkOrigin(origin string) string {
	if problem := checkPlainURL(origin); problem != "" {
		return problem
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Sprintf("%q is not an origin; write scheme and host, such as https://app.example.com", origin)
	}
	if problem := checkWebURL(origin, u); problem != "" {
		return problem
	}
	plain := u.Scheme + "://" + strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; strings.HasSuffix(plain, port) {
		plain = strings.TrimSuffix(plain, port)
	}
	if origin != plain {
		return fmt.Sprintf("%q is not an origin as browsers send it; write %s", origin, plain)
	}
	return ""
}

// checkIssuer accepts https and a host, http for loopback hosts (OpenID Connect Discovery 1.0, section 3). A path other
// than a final slash is refused: the cookies of the hosted pages belong to a whole host.
func checkIssuer(issuer string) string {
	if problem := checkPlainURL(issuer); problem != "" {
		return problem
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Sprintf("%q is not a URL; write https and the host that people see, such as https://login.example.com", issuer)
	}
	if problem := checkWebURL(issuer, u); problem != "" {
		return problem
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery:
		return fmt.Sprintf("%q has a query; remove it", issuer)
	case u.Path != "" && u.Path != "/":
		return fmt.Sprintf("%q has a path; give Sallyport a host name of its own, such as https://login.example.com", issuer)
	case u.Host != strings.ToLower(u.Host):
		return fmt.Sprintf("%q has capital letters in its host; write it in lower case", issuer)
	}
	return ""
}
