package web_test

import (
	"regexp"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// Each metric has one description and one type, and values that follow them.
func TestMetricsAreDescribed(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	r.do("POST", "/messages", "soup")
	status, text := r.do("GET", "/metrics", "")
	if status != 200 {
		t.Fatal(status, text)
	}
	value := regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(\{[^{}]*\})? [-+0-9.eNInfa]+$`)
	helped, typed, name := map[string]bool{}, map[string]bool{}, ""
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			if name = words[2]; helped[name] || len(words) < 4 {
				t.Errorf("second or empty description: %s", line)
			}
			helped[name] = true
		case strings.HasPrefix(line, "# TYPE "):
			if words[2] != name || typed[name] {
				t.Errorf("misplaced type: %s", line)
			}
			typed[name] = true
		default:
			m := value.FindStringSubmatch(line)
			if m == nil || m[1] != name && m[1]+m[2] != name {
				t.Errorf("misplaced value, or none: %s", line)
			}
		}
	}
	for _, want := range []string{"\nchat_messages_total 1\n", "\nchat_sessions 1\n", `chat_write_seconds_bucket{le="1e-05"} `, "\ngo_goroutines ", "\ngo_gc_gogc_percent ", "\ngo_info{version=\"go"} {
		if !strings.Contains("\n"+text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
