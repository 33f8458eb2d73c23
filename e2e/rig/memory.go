package rig

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Resident is the memory of a process that is in use now, in bytes, as Linux tells it.
func Resident(pid int) (int64, error) { return status(pid, "VmRSS:") }

// Peak is the most memory that a process has had in use so far, in bytes.
func Peak(pid int) (int64, error) { return status(pid, "VmHWM:") }

func status(pid int, name string) (int64, error) {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kB << 10, err
		}
	}
	return 0, errors.New("reading memory: no " + name)
}
