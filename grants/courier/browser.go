package courier

import "strings"

// named is a mark in a User-Agent and what it stands for. Of several marks the first one in the list counts: browsers
// name those that they descend from as well.
type named struct{ mark, name string }

var (
	browsers = []named{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = []named{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
	}
)

// browser describes a User-Agent in words of our own, "Firefox on Linux", and never in the request's. It is empty
// where nothing is known.
func browser(userAgent string) string {
	name, system := find(browsers, userAgent), find(systems, userAgent)
	if name != "" && system != "" {
		return name + " on " + system
	}
	return name + system
}

func find(list []named, userAgent string) string {
	for _, n := range list {
		if strings.Contains(userAgent, n.mark) {
			return n.name
		}
	}
	return ""
}
