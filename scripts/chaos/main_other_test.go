//go:build !linux

package main

import (
	"testing"

	"chat/scripts/chattest"
)

func TestShortRun(t *testing.T) { chattest.Missing(t, "chaos runs on Linux") }
