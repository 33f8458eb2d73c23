package auth0users

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"
)

// MaxUser is how many bytes one user may have.
const MaxUser = 1 << 20

// Line is one user as the file has it.
type Line struct {
	Number int // of its line, or in an array of its element, from 1
	JSON   []byte
}

// LineError is a line that cannot be taken. Those after it can.
type LineError struct {
	Number int
	Reason string
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Number, e.Reason) }

func tooLong(n int) error {
	return &LineError{n, fmt.Sprintf("has more than %d bytes", MaxUser)}
}

// Reader cuts an export into users.
type Reader struct {
	next func() (Line, error)
}

// NewReader looks at the first bytes to see which form the export has.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("uncompressing: %w", err)
		}
		in = bufio.NewReaderSize(unzipped, 64<<10)
	}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(len(mark))
	}
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return &Reader{next: func() (Line, error) { return Line{}, io.EOF }}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
		if b == '[' {
			return &Reader{next: newArray(in).next}, nil
		}
		if b == '\n' || !unicode.IsSpace(rune(b)) {
			_ = in.UnreadByte() // it was just read
			return &Reader{next: (&lines{in: in}).next}, nil
		}
	}
}

// Next gives the next user, io.EOF after the last, a *[LineError] for one that cannot be taken, and other errors where
// nothing more can be read. What it gives is good until the next call.
func (r *Reader) Next() (Line, error) { return r.next() }

// lines are users one a line.
type lines struct {
	in *bufio.Reader
	n  int
	b  []byte
}

func (l *lines) next() (Line, error) {
	for {
		l.n++
		l.b = l.b[:0]
		long, err := l.read()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return Line{}, fmt.Errorf("reading line %d: %w", l.n, err)
		case long:
			return Line{}, tooLong(l.n)
		case len(bytes.TrimSpace(l.b)) > 0:
			return Line{l.n, bytes.TrimSpace(l.b)}, nil
		case err != nil:
			return Line{}, io.EOF
		}
	}
}

// read takes a line into l.b, or when it is too long as much of it as anybody wants.
func (l *lines) read() (long bool, err error) {
	for {
		part, err := l.in.ReadSlice('\n')
		if len(l.b) <= MaxUser {
			l.b = append(l.b, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return len(l.b) > MaxUser, err
		}
	}
}

// array is users as the elements of one JSON array.
type array struct {
	in      *metered
	decoder *json.Decoder
	n       int
}

var errCutArray = errors.New("the array ends in the middle")

// newArray takes up an array behind its opening bracket.
func newArray(in io.Reader) *array {
	m := &metered{in: io.MultiReader(bytes.NewReader([]byte{'['}), in), left: MaxUser}
	a := &array{in: m, decoder: json.NewDecoder(m)}
	_, _ = a.decoder.Token() // the bracket
	return a
}

func (a *array) next() (Line, error) {
	a.n++
	a.in.left = 2 * MaxUser
	if !a.decoder.More() {
		if _, err := a.decoder.Token(); err != nil {
			return Line{}, errCutArray
		}
		return Line{}, io.EOF
	}
	var raw json.RawMessage
	if err := a.decoder.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) {
			return Line{}, errCutArray
		}
		return Line{}, fmt.Errorf("reading element %d of the array, after which nothing can be found: %w", a.n, err)
	}
	if len(raw) > MaxUser {
		return Line{}, tooLong(a.n)
	}
	return Line{a.n, raw}, nil
}

var errTooLong = fmt.Errorf("it has far more than %d bytes", MaxUser)

// metered gives no more bytes than are left, so that no element fills the memory.
type metered struct {
	in   io.Reader
	left int
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooLong
	}
	n, err := m.in.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err //nolint:wrapcheck // a reader gives the errors of the reader below
}
