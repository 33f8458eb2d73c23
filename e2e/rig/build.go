package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the real program into a folder, as releases are built, unless that was done before. It gives its path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "sallyport")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "sallyport/cmd/sallyport") //nolint:gosec // a path of our own
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the binary: %w: %s", err, out)
	}
	return path, nil
}
