package operatorfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chat/relay/privatefile"
)

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kitchen.operator")
	for _, f := range []File{
		{Room: "01f3c5a7092b4d6e", Title: "kitchen", Addr: "127.0.0.1:24280", Token: "operator-token", Key: "key"},
		{Room: "01f3c5a7092b4d6e", Title: "lab", Invite: "https://192.168.1.5:24280/#" + strings.Repeat("2", 52) + ".OPERATOR22222222"},
	} {
		if err := f.Write(path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("the mode is %v, %v", info.Mode(), err)
		}
		got, err := Read(path)
		if f.IsSealed() && err != nil { // the pin of a test is none
			continue
		}
		if err != nil || *got != f {
			t.Errorf("wrote %+v, read %+v, %v", f, got, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, content := range []string{"", "{", "secret", `{"room":"01","token":"short","addr":"127.0.0.1:1","key":"k"}`, `{"invite":"https://x"}`, `{"room":"01f3","token":"operator-token","addr":"127.0.0.1:1"}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := Read(path); !errors.Is(err, errNotOne) {
			t.Errorf("%s: %+v, %v", content, f, err)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("others can read the file, and it is used")
	} else if _, ok := errors.AsType[*privatefile.ModeError](err); !ok {
		t.Errorf("others can read the file: %v", err)
	}
}
