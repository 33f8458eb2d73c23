package templates

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DefaultColor is the primary colour of a site that names none.
const DefaultColor = "#0f7f6d"

// color is an sRGB colour.
type color struct{ r, g, b uint8 }

// The hardest grounds that the brand's colours stand on: --tint in the stylesheet.
var (
	white       = color{255, 255, 255}
	black       = color{0, 0, 0}
	lightGround = color{0xf3, 0xf5, 0xf3}
	darkGround  = color{0x22, 0x26, 0x2c}
)

// Contrasts that WCAG 2.2 AA asks for.
const (
	textContrast = 4.5 // 1.4.3
	lineContrast = 3.0 // 1.4.11
)

// parseColor reads #rgb and #rrggbb; the empty string is DefaultColor.
func parseColor(s string) (color, error) {
	if s == "" {
		s = DefaultColor
	}
	hex, ok := strings.CutPrefix(s, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 24)
	if !ok || err != nil || len(hex) != 6 {
		return color{}, fmt.Errorf("%q is not a colour: write it as #rrggbb", s)
	}
	return color{uint8(n >> 16), uint8(n >> 8 & 0xff), uint8(n & 0xff)}, nil
}

// String is the colour as #rrggbb.
func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is the relative luminance of WCAG 2.2, 0 to 1.
func (c color) luminance() float64 {
	linear := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is the contrast ratio of WCAG 2.2, 1 to 21.
func contrast(a, b color) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// mix moves a colour towards another, by 0 to 1.
func (c color) mix(to color, by float64) color {
	step := func(from, to uint8) uint8 {
		return uint8(math.Round(float64(from) + (float64(to)-float64(from))*by))
	}
	return color{step(c.r, to.r), step(c.g, to.g), step(c.b, to.b)}
}

// readable is the colour nearest to c, on the way to another, that has a contrast against a ground.
func (c color) readable(ground, to color, ratio float64) color {
	for by := 0.0; by < 1; by += 0.02 {
		if m := c.mix(to, by); contrast(m, ground) >= ratio {
			return m
		}
	}
	return to
}

// palette is what the stylesheet makes of the primary colour on one ground.
type palette struct {
	brand, hover color // of a button
	onBrand      color // text on both
	edge         color // line around the button and of the focus, for colours as pale as the ground
	accent       color // text of links
}

func lightPalette(c color) palette { return newPalette(c, lightGround, black) }
func darkPalette(c color) palette  { return newPalette(c, darkGround, white) }

// newPalette keeps the brand's colour on buttons, picks the text that can be read on it, and moves it away from the
// ground where it is a line or a text.
func newPalette(c, ground, away color) palette {
	p := palette{brand: c, onBrand: white, hover: c.mix(black, 0.14)}
	if contrast(c, white) < textContrast {
		p.onBrand, p.hover = black, c.mix(white, 0.18)
	}
	p.edge = c.readable(ground, away, lineContrast)
	p.accent = c.readable(ground, away, textContrast)
	return p
}

// properties are the palette as custom properties of the stylesheet.
func (p palette) properties() string {
	return fmt.Sprintf("--brand:%s;--brand-hover:%s;--on-brand:%s;--edge:%s;--accent:%s", p.brand, p.hover, p.onBrand, p.edge, p.accent)
}

// brandStylesheet sets the colours of a site over the defaults.
func brandStylesheet(c color) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ":root{%s}\n", lightPalette(c).properties())
	fmt.Fprintf(&b, "@media (prefers-color-scheme:dark){:root{%s}}\n", darkPalette(c).properties())
	return b.Bytes()
}
