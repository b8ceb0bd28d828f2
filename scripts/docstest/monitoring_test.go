package docstest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The alert rules are valid, and fire when they should: their unit tests say when.
func TestAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "rules", "chat-alerts.yml"}, {"test", "rules", "chat-alerts_test.yml"}} {
		check := exec.Command(promtool, args...)
		check.Dir = filepath.Join(root, "relay/docs/monitoring")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
