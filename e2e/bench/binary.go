package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"sallyport/e2e/rig"
)

// binary is what was measured of the real program.
type binary struct {
	size      int64           // bytes
	starts    []time.Duration // from the start of the process to the first 200 on discovery
	idle      int64           // resident bytes
	afterLoad int64
}

const (
	coldStarts = 7
	maxStart   = 100 * time.Millisecond
	maxIdle    = 45 << 20
	maxLoaded  = 90 << 20
	maxBinary  = 40e6
)

// measureBinary builds the real program, starts it over a database that is there already, and puts it under load.
func measureBinary(ctx context.Context, dir string) (binary, error) {
	var m binary
	path, err := rig.Build(ctx, dir)
	if err != nil {
		return m, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return m, err
	}
	m.size = info.Size()
	mails, err := rig.ReceiveMails(ctx)
	if err != nil {
		return m, err
	}
	defer mails.Stop()
	for range coldStarts + 1 { // the first one makes database and keys
		took, d, err := startDaemon(ctx, path, dir, mails)
		if err != nil {
			return m, err
		}
		m.starts = append(m.starts, took)
		if len(m.starts) > coldStarts {
			m.idle, m.afterLoad, err = d.memory(ctx)
		}
		if err := errors.Join(err, d.process.Stop()); err != nil {
			return m, err
		}
	}
	m.starts = m.starts[1:]
	slices.Sort(m.starts)
	return m, nil
}

func (m *binary) print(p func(string, ...any)) {
	const mib = 1 << 20
	middle := m.starts[len(m.starts)/2]
	p("\nThe real binary, SQLite:\n\n| | | goal | |\n| --- | ---: | ---: | --- |")
	p("| start to the first 200 on discovery, middle of %d | %s | %s | %s |", len(m.starts), brief(middle), brief(maxStart), met(middle <= maxStart))
	p("| likewise, the slowest | %s | | |", brief(m.starts[len(m.starts)-1]))
	p("| memory when idle | %.1f MiB | %d MiB | %s |", float64(m.idle)/mib, maxIdle/mib, met(m.idle <= maxIdle))
	p("| memory after load | %.1f MiB | %d MiB | %s |", float64(m.afterLoad)/mib, maxLoaded/mib, met(m.afterLoad <= maxLoaded))
	p("| size of the binary | %.1f MB | 40 MB | %s |", float64(m.size)/1e6, met(m.size <= maxBinary))
}
