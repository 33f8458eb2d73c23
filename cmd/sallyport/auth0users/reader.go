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
	Number int // of its line, or in an array of its element, from 1; counted on where something follows an array
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

// maxParts is how many arrays may follow one another: each keeps a buffer until the end.
const maxParts = 100

var errManyParts = fmt.Errorf("more than %d arrays follow one another", maxParts)

// Reader cuts an export into users.
type Reader struct {
	part  part
	parts int
}

// part is a part of an export in one form. What gives its next user, with io.EOF at its end.
type part interface {
	next() (Line, error)
	// rest is what follows, and the number of the last user; nothing where the part goes on to the end.
	rest() (io.Reader, int)
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
	first, err := partOf(in, 0)
	if err != nil {
		return nil, err
	}
	return &Reader{part: first}, nil
}

// partOf looks at what comes next, after so many users.
func partOf(in *bufio.Reader, n int) (part, error) {
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return &lines{in: in, n: n}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
		if b == '[' {
			return newArray(in, n), nil
		}
		if b == '\n' && n == 0 || !unicode.IsSpace(rune(b)) {
			_ = in.UnreadByte() // it was just read
			return &lines{in: in, n: n}, nil
		}
	}
}

// Next gives the next user, io.EOF after the last, a *[LineError] for one that cannot be taken, and other errors where
// nothing more can be read. What it gives is good until the next call.
func (r *Reader) Next() (Line, error) {
	for {
		line, err := r.part.next()
		if !errors.Is(err, io.EOF) {
			return line, err
		}
		rest, n := r.part.rest()
		if rest == nil {
			return Line{}, io.EOF
		}
		if r.parts++; r.parts > maxParts {
			return Line{}, errManyParts
		}
		if r.part, err = partOf(bufio.NewReaderSize(rest, 64<<10), n); err != nil {
			return Line{}, err
		}
	}
}

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

func (l *lines) rest() (io.Reader, int) { return nil, 0 }

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
	after   io.Reader // what in reads
	decoder *json.Decoder
	n       int
}

var errCutArray = errors.New("the array ends in the middle")

// newArray takes up an array behind its opening bracket, after so many users.
func newArray(in io.Reader, n int) *array {
	m := &metered{in: io.MultiReader(bytes.NewReader([]byte{'['}), in), left: MaxUser}
	a := &array{in: m, after: in, decoder: json.NewDecoder(m), n: n}
	_, _ = a.decoder.Token() // the bracket
	return a
}

func (a *array) next() (Line, error) {
	a.in.left = 2 * MaxUser
	if !a.decoder.More() {
		if _, err := a.decoder.Token(); err != nil {
			return Line{}, errCutArray
		}
		return Line{}, io.EOF
	}
	a.n++
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

func (a *array) rest() (io.Reader, int) { return io.MultiReader(a.decoder.Buffered(), a.after), a.n }

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
