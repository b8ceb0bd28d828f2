package seal

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestChosenSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, short, open := write("good", "correct horse battery\n", 0o600), write("short", "hunter2\n", 0o600), write("open", "correct horse battery\n", 0o644)
	for _, test := range []struct {
		file, env string
		secret    Secret
		from      string
		fails     string // in the error
	}{
		{"", "", "", "", ""},
		{good, "", "correct horse battery", good, ""},
		{"", "a secret of mine", "a secret of mine", "$CHAT_SECRET", ""},
		{good, "a secret of mine", "correct horse battery", good, ""},
		{short, "a secret of mine", "", "", "the secret from " + short + " cannot be used: a secret has at least 12 characters\nhint: try another"},
		{"", "hunter2", "", "", "the secret from $CHAT_SECRET cannot be used: "},
		{good + "x", "", "", "", "read the secret: open "},
		{open, "", "", "", "other users can read it\nhint: chmod 600 "},
	} {
		if test.file == open && runtime.GOOS == "windows" {
			continue // it has no such modes
		}
		t.Setenv("CHAT_SECRET", test.env)
		secret, from, err := ChosenSecret(test.file, "try another")
		if secret != test.secret || from != test.from || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("with the file %q and the variable %q: %q from %s, %v", test.file, test.env, string(secret), from, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}
