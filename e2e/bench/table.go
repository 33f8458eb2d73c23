package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

func (r result) perSecond() float64 { return float64(r.runs) / r.took.Seconds() }

// verdict says how a row stands to its goals.
func (r result) verdict() string {
	var missed []string
	switch {
	case r.goal == 0:
	case r.inS > r.goal:
		missed = append(missed, fmt.Sprintf("missed by %.0f %%", (r.inS/r.goal-1)*100))
	}
	if r.goal != 0 && r.commits > float64(r.operation.commits)+0.05 {
		missed = append(missed, "too many commits")
	}
	if r.failures > 0 {
		missed = append(missed, "errors")
	}
	if len(missed) == 0 && r.goal != 0 {
		return "met"
	}
	return strings.Join(missed, ", ")
}

// print writes the page's tables, in Markdown.
func (b *bench) print() {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format+"\n", args...) }
	p("Machine: %s/%s, %d processors, %s. Operations are measured for %s each.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.duration())
	p("| limit of this machine | per second |\n| --- | ---: |")
	for _, l := range b.limits {
		p("| %s | %.0f |", l.name, l.perSecond)
	}
	if len(b.results) > 0 {
		p("\nS, the processor time of one RS256 signature, was %s in the middle.", slices.Sorted(slices.Values(b.signatures))[len(b.signatures)/2].Round(time.Microsecond))
	}
	for _, database := range []string{"SQLite", "Postgres"} {
		for _, conns := range []int{1, 32} {
			b.printRows(p, database, conns)
		}
	}
	b.printImports(p)
	if b.real != nil {
		b.real.print(p)
	}
}

func (b *bench) printRows(p func(string, ...any), database string, conns int) {
	heading := false
	for _, r := range b.results {
		if r.database != database || r.conns != conns {
			continue
		}
		if !heading {
			p("\n%s, %s:\n", database, connections(conns))
			p("| operation | per second | p50 | p99 | CPU | CPU in S | goal | | allocations | kB | statements | commits | errors |")
			p("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
			heading = true
		}
		goal := ""
		if r.goal > 0 {
			goal = fmt.Sprintf("%.2f", r.goal)
		}
		p("| %s | %.0f | %s | %s | %s | %.2f | %s | %s | %.0f | %.0f | %.1f | %.1f | %d |", r.name, r.perSecond(), brief(r.p50), brief(r.p99), brief(r.cpu),
			r.inS, goal, r.verdict(), r.allocs, r.kilobytes, r.sql, r.commits, r.failures)
	}
}

// brief is a duration with three digits or so.
func brief(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}
