package templates

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"sallyport/static"
)

// tokens are the custom properties of a stylesheet, for light and for dark.
func tokens(t *testing.T, css string) (light, dark map[string]color) {
	t.Helper()
	first, second, ok := strings.Cut(css, "prefers-color-scheme")
	if !ok {
		t.Fatal("the stylesheet has no dark colours")
	}
	return properties(t, first), properties(t, second)
}

var property = regexp.MustCompile(`--([a-z-]+): ?(#[0-9a-f]{6})`)

func properties(t *testing.T, css string) map[string]color {
	t.Helper()
	out := map[string]color{}
	for _, m := range property.FindAllStringSubmatch(css, -1) {
		c, err := parseColor(m[2])
		if err != nil {
			t.Fatal(err)
		}
		out[m[1]] = c
	}
	return out
}

func stylesheet(t *testing.T) string {
	t.Helper()
	css, err := static.Files.ReadFile("sallyport.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(css)
}

// readable holds the pairs that stand on each other in the stylesheet against WCAG 2.2 AA.
func checkContrasts(t *testing.T, what string, c map[string]color) {
	t.Helper()
	for _, pair := range []struct {
		over, ground string
		least        float64
	}{
		{"text", "page", textContrast},
		{"text", "card", textContrast},
		{"text", "tint", textContrast},
		{"text", "line", textContrast},
		{"soft", "page", textContrast},
		{"soft", "card", textContrast},
		{"bad", "card", textContrast},
		{"accent", "card", textContrast},
		{"accent", "tint", textContrast},
		{"on-brand", "brand", textContrast},
		{"on-brand", "brand-hover", textContrast},
		{"field", "card", lineContrast},
		{"edge", "card", lineContrast},
		{"edge", "tint", lineContrast},
	} {
		over, ok1 := c[pair.over]
		ground, ok2 := c[pair.ground]
		if !ok1 || !ok2 {
			t.Fatalf("%s: the stylesheet lacks --%s or --%s", what, pair.over, pair.ground)
		}
		if got := contrast(over, ground); got < pair.least {
			t.Errorf("%s: --%s on --%s has a contrast of %.2f, less than %.1f", what, pair.over, pair.ground, got, pair.least)
		}
	}
}

func TestDefaultColoursCanBeRead(t *testing.T) {
	light, dark := tokens(t, stylesheet(t))
	checkContrasts(t, "light", light)
	checkContrasts(t, "dark", dark)
}

func TestStylesheetHasTheDefaultPaletteAndItsGrounds(t *testing.T) {
	light, dark := tokens(t, stylesheet(t))
	base, err := parseColor("")
	if err != nil {
		t.Fatal(err)
	}
	wantLight, wantDark := tokens(t, string(brandStylesheet(base)))
	for name := range wantLight {
		if light[name] != wantLight[name] || dark[name] != wantDark[name] {
			t.Errorf("--%s is %v and %v, not %v and %v", name, light[name], dark[name], wantLight[name], wantDark[name])
		}
	}
	if light["tint"] != lightGround || dark["tint"] != darkGround {
		t.Errorf("--tint is %v and %v, brand.go counts on %v and %v", light["tint"], dark["tint"], lightGround, darkGround)
	}
}

func TestAnyPrimaryColourCanBeRead(t *testing.T) {
	step := []int{0, 51, 102, 119, 128, 153, 204, 255}
	for _, r := range step {
		for _, g := range step {
			for _, b := range step {
				name := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				c, err := parseColor(name)
				if err != nil {
					t.Fatal(err)
				}
				light, dark := tokens(t, stylesheet(t))
				brandLight, brandDark := tokens(t, string(brandStylesheet(c)))
				for token := range brandLight {
					light[token], dark[token] = brandLight[token], brandDark[token]
				}
				checkContrasts(t, name+" light", light)
				checkContrasts(t, name+" dark", dark)
				if light["brand"] != c || dark["brand"] != c {
					t.Errorf("%s is not the colour of a button", name)
				}
			}
		}
	}
}

func TestContrastIsThatOfWCAG(t *testing.T) {
	grey, err := parseColor("#777")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b color
		want string
	}{{black, white, "21.00"}, {white, white, "1.00"}, {grey, white, "4.48"}} {
		if got := fmt.Sprintf("%.2f", contrast(c.a, c.b)); got != c.want {
			t.Errorf("%v on %v is %s, not %s", c.a, c.b, got, c.want)
		}
	}
}

func TestStylesheetLoadsNothing(t *testing.T) {
	for _, loads := range []string{"url(", "@import", "http:", "https:"} {
		if strings.Contains(stylesheet(t), loads) {
			t.Errorf("the stylesheet has %q", loads)
		}
	}
}
