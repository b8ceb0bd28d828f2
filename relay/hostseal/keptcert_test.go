package hostseal

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/seal"
)

// A host that starts again shows the certificate that browsers accepted, as long as that is valid and
// has the address that they connect to. The pin stays in any case.
func TestKeptCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		key := loadKey(t, dir)
		path := KeptCertificatePath(dir)
		var log bytes.Buffer
		names := []string{"192.168.1.5"}
		restarted := func() *CertificateSource {
			t.Helper()
			source, err := KeptCertificate(dir, key, func() []string { return names }, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			return source
		}
		rewrite := func(content []byte) func() {
			return func() {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		first := see(t, restarted(), "", "192.168.1.5")
		forged := bytes.Clone(first.Raw)
		forged[len(forged)-1] ^= 1
		for _, step := range []struct {
			after   string
			does    func()
			at      string
			renewed bool
			logs    string
		}{
			{"at once", func() {}, "192.168.1.5", false, ""},
			{"after 365 days", func() { time.Sleep(365 * 24 * time.Hour) }, "192.168.1.5", false, ""},
			{"after two more days", func() { time.Sleep(2 * 24 * time.Hour) }, "192.168.1.5", true, ""},
			{"with an address less", func() { names = []string{"10.0.0.7", "192.168.1.5"} }, "192.168.1.5", false, ""},
			{"at a new address", func() {}, "10.0.0.7", true, ""},
			{"when the file is gone", func() { os.Remove(path) }, "10.0.0.7", true, ""},
			{"when the file is empty", rewrite(nil), "10.0.0.7", true, "is damaged"},
			{"when the certificate is forged", rewrite(pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: forged})), "10.0.0.7", true, "is damaged"},
			{"when the certificate is cut", rewrite(pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: first.Raw[:100]})), "10.0.0.7", true, "is damaged"},
			{"with the certificate of another key", func() { // which is as new
				other, err := selfSigned(loadKey(t, t.TempDir()), names, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				rewrite(pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: other.Leaf.Raw}))()
			}, "10.0.0.7", true, ""},
			{"when it was made by a clock that is ahead", func() {
				future, err := selfSigned(key, names, time.Now().Add(900*24*time.Hour))
				if err == nil {
					err = keepCertificate(dir, future)
				}
				if err != nil {
					t.Fatal(err)
				}
				first = future.Leaf
			}, "10.0.0.7", true, ""},
		} {
			log.Reset()
			step.does()
			seen := see(t, restarted(), "", step.at)
			if renewed := !seen.Equal(first); renewed != step.renewed {
				t.Errorf("%s: the certificate is a new one: %v", step.after, renewed)
			}
			if seen.VerifyHostname(step.at) != nil || seal.PinOf(seen) != key.Pin() || time.Now().Before(seen.NotBefore) || time.Now().After(seen.NotAfter) {
				t.Errorf("%s: the certificate is not valid for %s", step.after, step.at)
			}
			if got := log.String(); (got == "") != (step.logs == "") || !strings.Contains(got, step.logs) {
				t.Errorf("%s: the log has %q, want %q", step.after, got, step.logs)
			}
			first = seen
		}
	})
}

// The file is private like the others of its folder; its faults do not stop a host.
func TestKeptCertificateIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	key := loadKey(t, dir)
	var log bytes.Buffer
	kept := func() *tls.Certificate {
		t.Helper()
		source, err := KeptCertificate(dir, key, func() []string { return nil }, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		return source.certificate("")
	}
	mode := func() os.FileMode {
		t.Helper()
		info, err := os.Stat(KeptCertificatePath(dir))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	kept()
	if mode() != 0o600 || log.Len() > 0 {
		t.Errorf("the file has mode %v; the log has %q", mode(), &log)
	}
	if err := os.Chmod(KeptCertificatePath(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	kept()
	if mode() != 0o600 || !strings.Contains(log.String(), "other users can read it") {
		t.Errorf("after chmod 644, the file has mode %v; the log has %q", mode(), &log)
	}
	log.Reset()
	if err := os.Remove(KeptCertificatePath(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(KeptCertificatePath(dir), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if kept() == nil || !strings.Contains(log.String(), "cannot be kept") {
		t.Errorf("with a folder in its place: %q", &log)
	}
}
