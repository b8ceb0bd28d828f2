//go:build linux

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// This file builds the host. The product has no hooks for these runs. A change to it is
// made in a copy of its sources, which `go build -overlay` compiles instead. If the sources
// move, only the tables below have to follow; TestOverlays fails until they do.

//go:embed overlay/clock.go.txt
var movableClock string

// A change replaces old, which must occur exactly once, by new in a file of the module. If
// old is empty, new replaces the whole file, except that the first line of new is replaced
// by the package clause of the file.
type change struct{ file, old, new string }

var packageClause = regexp.MustCompile(`(?m)^package .*$`)

// instruments are built into every host.
var instruments = []change{
	{file: "relay/internal/clock/clock.go", new: movableClock},
}

// bugs are what --bug builds into the host, to prove that a run finds it.
var bugs = map[string][]change{
	acceptsDuplicates: {{file: "relay/internal/room/duplicates.go", old: "dropDuplicates = true", new: "dropDuplicates = false"}},
	acksBeforeCommit: {
		{file: "relay/history/wait.go", old: "waitForDisk = true", new: "waitForDisk = false"},
		// A commit must not fail because killInCommit delays it, however slow the machine.
		{file: "relay/history/file.go", old: "busy_timeout(1000)", new: "busy_timeout(60000)"},
	},
}

const (
	acceptsDuplicates = "accepts-duplicates" // a resent message is added to the log again
	acksBeforeCommit  = "acks-before-commit" // a message is shown before it is on disk
)

func bugNames() []string { return slices.Sorted(maps.Keys(bugs)) }

// buildHost builds chat with the instruments and, unless bug is empty, with a bug. It
// writes the changed sources to dir, which must not exist.
func buildHost(ctx context.Context, program, dir, bug string) error {
	overlay, err := writeOverlay(ctx, dir, bug)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", program, "chat")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build chat: %w\n%s", err, out)
	}
	return nil
}

// writeOverlay writes the changed sources to dir, which must not exist, and returns the
// path of the file for `go build -overlay`.
func writeOverlay(ctx context.Context, dir, bug string) (overlay string, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "chat").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of chat: %w", err)
	}
	sources := make(map[string]string) // by path in the module
	for _, c := range slices.Concat(instruments, bugs[bug]) {
		if err := c.apply(string(bytes.TrimSpace(root)), sources); err != nil {
			return "", err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for file, source := range sources {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(changed, []byte(source), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(string(bytes.TrimSpace(root)), file)] = changed
	}
	b, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o644)
}

// apply makes the change in sources, which has texts by path in the module. It starts from
// the text there or, if there is none, from the file below root.
func (c change) apply(root string, sources map[string]string) error {
	source, ok := sources[c.file]
	if !ok {
		b, err := os.ReadFile(filepath.Join(root, c.file))
		if err != nil {
			return fmt.Errorf("overlay: %w; has the code moved?", err)
		}
		source = string(b)
	}
	if c.old == "" {
		_, rest, _ := strings.Cut(c.new, "\n")
		sources[c.file] = packageClause.FindString(source) + "\n" + rest
		return nil
	}
	if n := strings.Count(source, c.old); n != 1 {
		return fmt.Errorf("overlay: %s has %q %d times, not once; has the code changed?", c.file, c.old, n)
	}
	sources[c.file] = strings.Replace(source, c.old, c.new, 1)
	return nil
}

// runOverlay writes an overlay for a build by hand and prints its path.
func runOverlay(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("overlay", flag.ContinueOnError)
	bug := flags.String("bug", "", "build in the bug `NAME`: "+strings.Join(bugNames(), ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := checkBug(*bug); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chaos-overlay")
	if err != nil {
		return err
	}
	overlay, err := writeOverlay(ctx, filepath.Join(dir, "sources"), *bug)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	fmt.Println(overlay)
	return nil
}

// checkBug returns an error if there is no bug of that name.
func checkBug(name string) error {
	if _, ok := bugs[name]; !ok && name != "" {
		return fmt.Errorf("--bug %s: choose from %s", name, strings.Join(bugNames(), ", "))
	}
	return nil
}
