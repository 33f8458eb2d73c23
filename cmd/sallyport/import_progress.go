package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// importProgress shows how far an import is: a bar on a terminal, a line now and then elsewhere.
type importProgress struct {
	w    io.Writer
	bar  *progressbar.ProgressBar
	next int // the number of users at which the next line is due
}

// progressEvery is how many users a line stands for.
const progressEvery = 100_000

func newImportProgress(w io.Writer, size int64) *importProgress {
	p := &importProgress{w: w, next: progressEvery}
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	if size == 0 {
		size = -1 // unknown
	}
	p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("importing"),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return p
}

// reader is in, and moves the bar as it is read.
func (p *importProgress) reader(in io.Reader) io.Reader {
	if p.bar == nil {
		return in
	}
	return io.TeeReader(in, p.bar)
}

// users says how many are done.
func (p *importProgress) users(n int) {
	if p.bar != nil || n < p.next {
		return
	}
	_, _ = fmt.Fprintf(p.w, "%d users\n", n)
	p.next = n - n%progressEvery + progressEvery
}

func (p *importProgress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
