package web

import (
	"bytes"
	"container/list"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// requestCost is what a request takes beside its body while it is being received: its goroutine, its headers.
	requestCost = 8 << 10
	firstChunk  = 1 << 10
)

// errNoRoom says that too many bodies are being received.
var errNoRoom = errors.New("no room for another body")

// bodies bounds the memory of all bodies together, from their first byte until their requests are answered. When there is no room,
// the one that has been sending longest gives way: whoever is honest has mostly sent a body at once.
type bodies struct {
	mu      sync.Mutex
	room    int        // bytes that are left
	sending *list.List // of *body, the newest in front
}

// body is one of a request.
type body struct {
	held    int           // bytes
	element *list.Element // nil once it is no longer being sent
	stop    func()        // ends the read that it waits in
}

// receive reads the body of a request, which [Middleware] has bounded. What goes wrong with it is told to whoever reads it later.
// The room that it takes is free again after done. [errNoRoom].
func (b *bodies) receive(w http.ResponseWriter, r *http.Request) (done func(), err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return func() {}, nil
	}
	me := &body{stop: func() { _ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }}
	b.mu.Lock()
	me.element = b.sending.PushFront(me)
	b.mu.Unlock()
	read, err := b.read(me, r.Body)
	if !b.whole(me) {
		return nil, errNoRoom
	}
	r.Body = &received{Reader: bytes.NewReader(read), Closer: r.Body, err: err}
	return func() { b.release(me) }, nil
}

func (b *bodies) read(me *body, from io.Reader) ([]byte, error) {
	if !b.take(me, requestCost+firstChunk) {
		return nil, errNoRoom
	}
	read := make([]byte, 0, firstChunk)
	for {
		if len(read) == cap(read) {
			if !b.take(me, cap(read)) {
				return nil, errNoRoom
			}
			read = append(make([]byte, 0, 2*cap(read)), read...)
		}
		n, err := from.Read(read[len(read):cap(read)])
		read = read[:len(read)+n]
		if err != nil {
			return read, err
		}
	}
}

// take makes room for more of a body. It tells whether the body may go on.
func (b *bodies) take(me *body, bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.room < bytes && me.element != nil {
		oldest, _ := b.sending.Back().Value.(*body)
		b.drop(oldest)
	}
	if me.element == nil {
		return false
	}
	b.room -= bytes
	me.held += bytes
	return true
}

// drop has a body give way. Its request is still there to be told, because it takes itself off the list before it ends.
func (b *bodies) drop(it *body) {
	b.sending.Remove(it.element)
	b.room += it.held
	it.held, it.element = 0, nil
	it.stop()
}

// whole ends the sending of a body, and tells whether it has not given way.
func (b *bodies) whole(me *body) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if me.element == nil {
		return false
	}
	b.sending.Remove(me.element)
	me.element = nil
	return true
}

func (b *bodies) release(me *body) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room += me.held
	me.held = 0
}

// received is a body that was read, and the error that ended it.
type received struct {
	io.Reader
	io.Closer
	err error
}

// Read implements io.Reader.
func (b *received) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}
