package relay_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Imports point one way, down to wire. The host's side and the joining side do not import each
// other. Every package of relay is in the table.
func TestImports(t *testing.T) {
	table := map[string][]string{
		".": {
			"chat/relay/endpoint", "chat/relay/history", "chat/relay/internal/access", "chat/relay/internal/clock", "chat/relay/internal/fanout", "chat/relay/internal/front",
			"chat/relay/internal/replica", "chat/relay/internal/room", "chat/relay/internal/session", "chat/relay/journal", "chat/relay/seal", "chat/relay/text", "chat/relay/wire",
		},
		"journal":             {},
		"journal/journaltest": {"chat/relay/journal"},
		"internal/replica":    {"chat/relay/internal/progress", "chat/relay/journal"},
		"internal/access":     {"chat/relay/seal", "chat/relay/sshkey", "chat/relay/wire"},
		"internal/clock":      {},
		"internal/front": {
			"chat/relay/endpoint", "chat/relay/internal/access", "chat/relay/internal/encrypted", "chat/relay/internal/fanout", "chat/relay/internal/pace", "chat/relay/internal/room",
			"chat/relay/internal/session", "chat/relay/internal/websocket", "chat/relay/wire",
		},
		"internal/session": {
			"chat/relay/history", "chat/relay/internal/access", "chat/relay/internal/clock", "chat/relay/internal/fanout", "chat/relay/internal/pace", "chat/relay/internal/room",
			"chat/relay/internal/websocket", "chat/relay/seal", "chat/relay/text", "chat/relay/wire",
		},
		"internal/logtest":   {},
		"internal/progress":  {},
		"internal/pace":      {},
		"internal/room":      {"chat/relay/endpoint", "chat/relay/history", "chat/relay/internal/access", "chat/relay/internal/pace", "chat/relay/internal/replica", "chat/relay/journal", "chat/relay/sshkey", "chat/relay/text", "chat/relay/wire"},
		"internal/fanout":    {"chat/relay/history", "chat/relay/wire"},
		"internal/encrypted": {"chat/relay/internal/fanout", "chat/relay/wire"},
		"internal/websocket": {},
		"text":               {},
		"timezone":           {},
		"garbage":            {},
		"wire":               {"chat/relay/text", "chat/relay/timezone"},
		"history":            {"chat/relay/internal/clock", "chat/relay/internal/progress", "chat/relay/privatefile", "chat/relay/text", "chat/relay/timezone", "chat/relay/wire"},
		"client":             {"chat/relay/diskspace", "chat/relay/errno", "chat/relay/seal", "chat/relay/text", "chat/relay/wire"},
		"identity":           {"chat/relay/client", "chat/relay/errno", "chat/relay/openfile", "chat/relay/privatefile", "chat/relay/seal", "chat/relay/sshkey", "chat/relay/text", "chat/relay/wire"},
		"plain":              {"chat/relay/client", "chat/relay/seal", "chat/relay/text", "chat/relay/wire"},
		"screen": {
			"chat/relay/client", "chat/relay/program", "chat/relay/qrcode", "chat/relay/screen/keyboard", "chat/relay/screen/picture", "chat/relay/screen/syntax", "chat/relay/screen/theme",
			"chat/relay/seal", "chat/relay/text", "chat/relay/timezone", "chat/relay/wire",
		},
		"screen/keyboard": {"chat/relay/errno"},
		"screen/picture":  {},
		"screen/syntax":   {},
		"screen/theme":    {},
		"files":           {"chat/relay/diskspace", "chat/relay/errno", "chat/relay/text", "chat/relay/wire"},
		"web": {
			"chat/relay", "chat/relay/diskspace", "chat/relay/endpoint", "chat/relay/files", "chat/relay/internal/access", "chat/relay/program",
			"chat/relay/qrcode", "chat/relay/seal", "chat/relay/text", "chat/relay/wire",
		},
		"discovery":    {"chat/relay/errno", "chat/relay/text", "chat/relay/wire"},
		"diskspace":    {},
		"doctor":       {"chat/relay/errno", "chat/relay/privatefile", "chat/relay/seal", "chat/relay/wire"},
		"logging":      {},
		"errno":        {},
		"qrcode":       {},
		"endpoint":     {"chat/relay/discovery", "chat/relay/errno", "chat/relay/text", "chat/relay/wire"},
		"manual":       {"chat/relay/limits", "chat/relay/wire"},
		"cmdline":      {},
		"completion":   {"chat/relay/limits", "chat/relay/manual"},
		"limits":       {"chat/relay", "chat/relay/files"},
		"settings":     {"chat/relay", "chat/relay/cmdline", "chat/relay/files", "chat/relay/limits", "chat/relay/manual", "chat/relay/openfile"},
		"prooftest":    {},
		"invites":      {"chat/relay/cmdline", "chat/relay/endpoint", "chat/relay/hostseal", "chat/relay/identity", "chat/relay/manual", "chat/relay/qrcode", "chat/relay/seal", "chat/relay/text", "chat/relay/wire"},
		"operatorfile": {"chat/relay/privatefile", "chat/relay/seal", "chat/relay/wire"},
		"hint":         {},
		"archive": {
			"chat/relay/cmdline", "chat/relay/errno", "chat/relay/hint", "chat/relay/history", "chat/relay/internal/room", "chat/relay/manual", "chat/relay/plain",
			"chat/relay/privatefile", "chat/relay/screen", "chat/relay/screen/syntax", "chat/relay/text", "chat/relay/timezone", "chat/relay/wire",
		},
		"hosting": {
			"chat/relay", "chat/relay/admin", "chat/relay/client", "chat/relay/cluster", "chat/relay/discovery", "chat/relay/diskspace", "chat/relay/endpoint",
			"chat/relay/files", "chat/relay/garbage", "chat/relay/hint", "chat/relay/history", "chat/relay/hostseal", "chat/relay/identity", "chat/relay/invites", "chat/relay/limits",
			"chat/relay/logging", "chat/relay/operatorfile", "chat/relay/program", "chat/relay/seal", "chat/relay/sshkey", "chat/relay/supervisor",
			"chat/relay/text", "chat/relay/web", "chat/relay/wire",
		},
		"cluster":        {"chat/relay/hint", "chat/relay/history", "chat/relay/journal"},
		"program":        {},
		"admin":          {"chat/relay", "chat/relay/errno", "chat/relay/limits", "chat/relay/privatefile", "chat/relay/text", "chat/relay/wire"},
		"admin/commands": {"chat/relay", "chat/relay/admin", "chat/relay/cmdline", "chat/relay/identity", "chat/relay/manual", "chat/relay/text"},
		"supervisor":     {},
		"openfile":       {},
		"privatefile":    {"chat/relay/openfile"},
		"sshkey":         {"chat/relay/openfile"},
		"seal":           {"chat/relay/privatefile"},
		"hostseal":       {"chat/relay/privatefile", "chat/relay/seal"},
	}
	for dir := range packageDirs(t) {
		if _, ok := table[dir]; !ok {
			t.Errorf("the table does not say what relay/%s may import", dir)
		}
	}
	for dir, allowed := range table {
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "chat/") && !slices.Contains(allowed, path) {
				t.Errorf("relay/%s imports %s; it may import %q of ours", dir, path, allowed)
			}
			if path == "github.com/hashicorp/mdns" || path == "github.com/miekg/dns" {
				t.Errorf("relay/%s imports %s; only discover.go may", dir, path)
			}
		}
	}
}

// packageDirs returns the folders that have Go files.
func packageDirs(t *testing.T) map[string]bool {
	dirs := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			dirs[filepath.ToSlash(filepath.Dir(path))] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// The imports of a file are in groups: Go's own, those of other modules, ours. Each group is there once.
func TestImportGroups(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		kind, line := 0, 0
		for _, spec := range f.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			before, lineBefore := kind, line
			switch root, _, _ := strings.Cut(name, "/"); {
			case root == "chat":
				kind = 3
			case strings.Contains(root, "."):
				kind = 2
			default:
				kind = 1
			}
			line = files.Position(spec.Pos()).Line
			if apart := line > lineBefore+1; before > 0 && (kind < before || apart != (kind > before)) {
				t.Errorf("%s:%d: %s is not in the group of its kind", path, line, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
