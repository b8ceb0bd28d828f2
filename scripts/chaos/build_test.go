//go:build linux

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"chat/scripts/chattest"
)

// The changes fit the current sources, and the changed sources pass go vet.
func TestOverlays(t *testing.T) {
	chattest.NeedTools(t, "go")
	chattest.NoticeSources(t, "../..")
	for _, bug := range append(bugNames(), "") {
		overlay, err := writeOverlay(context.Background(), filepath.Join(t.TempDir(), "sources"), bug)
		if err != nil {
			t.Errorf("bug %q: %v", bug, err)
			continue
		}
		if out, err := exec.Command("go", "vet", "-overlay", overlay, "chat/relay/...").CombinedOutput(); err != nil {
			t.Errorf("bug %q: go vet: %v\n%s", bug, err, out)
		}
	}
}

func TestChangeMustFit(t *testing.T) {
	for _, c := range []change{
		{file: "relay/none.go", old: "a", new: "b"},
		{file: "main.go", old: "there is no such text", new: "b"},
		{file: "main.go", old: "e", new: "b"}, // more than once
	} {
		if err := c.apply("../..", make(map[string]string)); err == nil {
			t.Errorf("%+v was applied", c)
		}
	}
}
