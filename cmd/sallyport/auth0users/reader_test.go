package auth0users

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// readAll gives the lines as "number:text", "number!reason" for one that cannot be taken, and the error at the end.
func readAll(t *testing.T, in io.Reader) (got []string, err error) {
	t.Helper()
	r, err := NewReader(in)
	if err != nil {
		return nil, err
	}
	for {
		line, err := r.Next()
		var bad *LineError
		switch {
		case errors.As(err, &bad):
			got = append(got, fmt.Sprintf("%d!%s", bad.Number, bad.Reason))
		case errors.Is(err, io.EOF):
			return got, nil
		case err != nil:
			return got, err
		default:
			got = append(got, fmt.Sprintf("%d:%s", line.Number, line.JSON))
		}
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryFormOfAnExport(t *testing.T) {
	long := `{"x":"` + strings.Repeat("x", MaxUser) + `"}`
	whole := `{"x":"` + strings.Repeat("x", MaxUser-1-len(`{"x":""}`)) + `"}`
	for name, test := range map[string]struct {
		in   string
		want string
		err  string
	}{
		"nothing":              {"", "", ""},
		"blank":                {" \n\n\t\n", "", ""},
		"lines":                {"{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}", `1:{"a":1} 3:{"b":2} 4:{"c":3}`, ""},
		"with a mark":          {"\xef\xbb\xbf{}\n", "1:{}", ""},
		"malformed":            {"{\nx\n{}", "1:{ 2:x 3:{}", ""},
		"compressed":           {zipped(t, "{}\n{}\n"), "1:{} 2:{}", ""},
		"a long line":          {"{}\n" + long + "\n{}", "1:{} 2!has more than 1048576 bytes 3:{}", ""},
		"a line just so long":  {whole + "\n{}", "1:" + whole + " 2:{}", ""},
		"array":                {" [ {\"a\":[1]} ,\n{} ]\n", `1:{"a":[1]} 2:{}`, ""},
		"empty array":          {"[]", "", ""},
		"compressed array":     {zipped(t, "[{},{}]"), "1:{} 2:{}", ""},
		"arrays":               {"[{\"a\":1}]\n [{},{}] []\n[{}]", `1:{"a":1} 2:{} 3:{} 4:{}`, ""},
		"array, then lines":    {"[{\"a\":1}]\n\n{}\nx\n" + long + "\n{}\n", `1:{"a":1} 2:{} 3:x 4!has more than 1048576 bytes 5:{}`, ""},
		"array, then bytes":    {"[{}]]\n", "1:{} 2:]", ""},
		"endless arrays":       {"[{}]" + strings.Repeat("[]", 1000), "1:{}", "more than 100 arrays"},
		"two cut arrays":       {"[{}][{},", "1:{} 2:{}", "the array ends in the middle"},
		"blank after an array": {"[{}]" + strings.Repeat("\n ", 3*MaxUser), "1:{}", ""},
		"cut array":            {"[{},{}", "1:{} 2:{}", "the array ends in the middle"},
		"cut behind a comma":   {"[{},\n", "1:{}", "the array ends in the middle"},
		"malformed array":      {"[{},{x},{}]", "1:{}", "reading element 2 of the array"},
		"long in an array":     {"[{}," + long + ",{}]", "1:{} 2!has more than 1048576 bytes 3:{}", ""},
		"endless in an array":  {"[{}," + `{"x":"` + strings.Repeat("x", 3*MaxUser) + `"}]`, "1:{}", "it has far more than 1048576 bytes"},
		"cut while compressed": {zipped(t, "{}\n")[:20], "1:{}", "unexpected EOF"},
		"no compression":       {"\x1f\x8bxxxxxxxxxx", "", "uncompressing"},
	} {
		got, err := readAll(t, strings.NewReader(test.in))
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %.200q, want %.200q", name, text, test.want)
		}
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error is %v, want %q", name, err, test.err)
		}
	}
}
