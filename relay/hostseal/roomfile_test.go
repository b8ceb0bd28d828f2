package hostseal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

func openRoom(t *testing.T, dir, key string) *roomFile {
	t.Helper()
	f, err := openRoomFile(dir, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The secrets of a room stay the same when it is opened again, until they are replaced.
func TestOpenRoom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chat")
	f := openRoom(t, dir, "lab")
	first := f.Room().RoomSecrets
	if first.Member == first.Listen || first.Listen == first.Operator || len(first.Member) != len(seal.NewSecret()) {
		t.Errorf("the secrets are %q, %q, %q", string(first.Member), string(first.Listen), string(first.Operator))
	}
	if other := openRoom(t, dir, "kitchen").Room(); other.Member == first.Member {
		t.Error("another room has the same secret")
	}
	f.Close()
	f = openRoom(t, dir, "lab")
	if again := f.Room().RoomSecrets; again != first {
		t.Error("the secrets have changed")
	}
	err := f.Update(func(r *Room) { r.RoomSecrets = r.Renewed() })
	renewed := f.Room().RoomSecrets
	if err != nil || renewed.Member == first.Member || renewed.Listen == first.Listen || renewed.Operator != first.Operator {
		t.Errorf("Renewed: %v; %q to %q", err, []string{string(first.Member), string(first.Listen), string(first.Operator)}, []string{string(renewed.Member), string(renewed.Listen), string(renewed.Operator)})
	}
	f.Close()
	f = openRoom(t, dir, "lab")
	if again := f.Room().RoomSecrets; again != renewed {
		t.Error("the new secrets are not kept")
	}
	if err := errors.Join(os.Remove(f.path), os.MkdirAll(filepath.Join(f.path, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(func(r *Room) { r.RoomSecrets = r.Renewed() }); err == nil || f.Room().RoomSecrets != renewed {
		t.Errorf("the secrets cannot be written, but are new: %v", err)
	}
}

// Two hosts that have rooms of the same name open have secrets of their own.
func TestTwoRoomsOfTheSameName(t *testing.T) {
	dir := t.TempDir()
	first, second := openRoom(t, dir, "lab"), openRoom(t, dir, "lab")
	if first.Room().Member == second.Room().Member {
		t.Error("both have the same secret")
	}
	secret := first.Room().Member
	first.Close()
	if third := openRoom(t, dir, "lab"); third.Room().Member != secret {
		t.Error("the next host has not the secrets of the one that ended")
	}
	for range maxAtOnce - 2 {
		openRoom(t, dir, "lab")
	}
	if _, err := openRoomFile(dir, "lab"); err == nil {
		t.Error("there is no limit")
	}
}

func TestRoomFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	f := openRoom(t, dir, "lab")
	f.Close()
	entries, err := os.ReadDir(roomsDir(dir))
	if err != nil || len(entries) != 3 { // the room, its lock, that of the folder
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if err := os.Chmod(f.path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, opened := openRoomFile(dir, "lab")
	_, listed := Rooms(dir)
	for _, err := range []error{opened, listed} {
		if wrong, ok := errors.AsType[*privatefile.ModeError](err); !ok || wrong.Path != f.path {
			t.Errorf("others can read it: %v", err)
		}
	}
}

func TestDamagedRoom(t *testing.T) {
	dir := t.TempDir()
	f := openRoom(t, dir, "lab")
	f.Close()
	good, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(f.Room().Member)
	for name, content := range map[string]string{
		"empty": "", "cut": string(good[:50]), "too long": strings.Repeat(" ", maxRoomFile) + string(good),
		"short secret": strings.Replace(string(good), secret, "hunter2", 1), "no secret": strings.Replace(string(good), secret, "", 1),
	} {
		if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openRoomFile(dir, "lab")
		if err == nil || !strings.Contains(err.Error(), f.path) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(f.path); err != nil || string(after) != content {
			t.Errorf("%s: the file has now %q, %v", name, after, err)
		}
	}
}

func TestRooms(t *testing.T) {
	dir := t.TempDir()
	if rooms, err := Rooms(dir); len(rooms) != 0 || err != nil {
		t.Errorf("before any room: %v, %v", rooms, err)
	}
	for i, name := range []string{"old", "running", "new"} {
		f := openRoom(t, dir, name)
		if err := f.Update(func(r *Room) { r.Title, r.Address = name, ":1" }); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-9) * time.Hour)
		if err := os.Chtimes(f.path, at, at); err != nil {
			t.Fatal(err)
		}
		if name != "running" {
			f.Close()
		}
	}
	if err := os.WriteFile(filepath.Join(roomsDir(dir), "damaged.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rooms, err := Rooms(dir)
	if err == nil || !strings.Contains(err.Error(), "damaged.json") {
		t.Errorf("a damaged file: %v", err)
	}
	var got []string
	for _, r := range rooms {
		got = append(got, fmt.Sprint(r.Title, " ", r.Running))
	}
	if want := []string{"running true", "new false", "old false"}; !slices.Equal(got, want) {
		t.Errorf("rooms %q; want %q", got, want)
	}
}

// The number of rooms is bounded. Those that are open stay.
func TestOldRoomsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	open := openRoom(t, dir, "open")
	first := time.Now().Add(-time.Hour)
	paths := []string{open.path}
	for n := range maxRooms {
		f := openRoom(t, dir, fmt.Sprint("room ", n))
		f.Close()
		paths = append(paths, f.path)
	}
	for i, path := range paths {
		at := first.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(roomsDir(dir), "new-left-by-a-crash"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	openRoom(t, dir, "one more")
	var gone []int
	for i, path := range paths {
		if _, err := os.Stat(path); err != nil {
			gone = append(gone, i)
		}
	}
	if !slices.Equal(gone, []int{1}) {
		t.Errorf("these are gone: %v; want only the first that is not open", gone)
	}
	if left, _ := filepath.Glob(filepath.Join(roomsDir(dir), "*")); len(left) > 2*(maxRooms+1)+1 {
		t.Errorf("%d files are left", len(left))
	}
}

func openSeal(t *testing.T, opts Options) *Seal {
	t.Helper()
	opts.Names = func() []string { return []string{"192.168.1.5"} }
	h, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// What the host keeps of its room is what chat invite reads.
func TestHost(t *testing.T) {
	dir := t.TempDir()
	h := openSeal(t, Options{Dir: dir, Room: "lab"})
	if err := h.Describe("the lab", "aaaa0000aaaa0000", &net.TCPAddr{IP: net.IPv4zero, Port: 24280}, true); err != nil {
		t.Fatal(err)
	}
	rooms, err := Rooms(dir)
	if err != nil || len(rooms) != 1 {
		t.Fatalf("Rooms: %d, %v", len(rooms), err)
	}
	r := rooms[0]
	if r.Title != "the lab" || r.ID != "aaaa0000aaaa0000" || r.Address != "0.0.0.0:24280" || r.Pin != h.Pin() || r.CurlPin != seal.CurlPin(h.Leaf()) || !r.SelfSigned || !r.Running || r.Names != nil {
		t.Errorf("kept: %+v", r)
	}
	addr := "192.168.1.5:24280"
	for name, test := range map[string]struct {
		invite seal.Invite
		secret seal.Secret
	}{
		"member": {r.Invite(addr, r.Member), r.Member}, "listen": {r.Invite(addr, r.Listen), r.Listen}, "operator": {r.Invite(addr, r.Operator), r.Operator},
	} {
		if parsed, err := seal.ParseInvite(test.invite.URL()); err != nil || parsed != (seal.Invite{Addr: addr, Pin: h.Pin(), Secret: test.secret}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, want := r.Curl(addr), "curl -k --pinnedpubkey '"+seal.CurlPin(h.Leaf())+"' https://192.168.1.5:24280/room"; got != want {
		t.Errorf("curl line %q; want %q", got, want)
	}
	sum := sha256.Sum256(h.Leaf().RawSubjectPublicKeyInfo)
	if got := r.KeyHash(); strings.ReplaceAll(got, " ", "") != hex.EncodeToString(sum[:]) || strings.Index(got, " ") != 4 {
		t.Errorf("the hash of the key is %q; want %x", got, sum)
	}
	if old := (&seal.Invites{CurlPin: "sha256//x="}); old.KeyHash() != "" {
		t.Errorf("of a pin that is damaged: %q", old.KeyHash())
	}
	if _, err := h.Renew(); err != nil || h.Room().Member == r.Member {
		t.Errorf("Renew: %v", err)
	}
}

// If two hosts of a room replace the invite at once, the later one stays, also if it arrives before ours is in the file.
func TestSecretsReplacedAtOnce(t *testing.T) {
	key, err := LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var h *Seal
	theirs, adopted := seal.NewSecrets(), make(chan error, 1)
	h = openSeal(t, Options{Dir: t.TempDir(), Room: "lab", Log: slog.New(slog.DiscardHandler), Names: func() []string { return nil }, Shared: &Shared{
		Key: key, Secrets: seal.NewSecrets(),
		Replace: func(seal.RoomSecrets) error { // the cluster has ours now, then theirs
			go func() { adopted <- h.Adopt(theirs) }()
			time.Sleep(50 * time.Millisecond)
			return nil
		},
	}})
	if ours, err := h.Renew(); err != nil || ours == theirs {
		t.Error(err)
	}
	if err := <-adopted; err != nil {
		t.Error(err)
	}
	if h.Room().RoomSecrets != theirs {
		t.Error("chat invite shows the older invite")
	}
}

// A new invite that the other hosts of the room cannot get is none: the old one stays.
func TestNewSecretsThatAreNotShared(t *testing.T) {
	key, err := LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared, unreachable := seal.NewSecrets(), errors.New("the other hosts cannot be reached")
	h := openSeal(t, Options{Dir: t.TempDir(), Room: "lab", Log: slog.New(slog.DiscardHandler), Names: func() []string { return nil }, Shared: &Shared{
		Key: key, Secrets: shared, Replace: func(seal.RoomSecrets) error { return unreachable },
	}})
	if got, err := h.Renew(); err != unreachable || got != (seal.RoomSecrets{}) {
		t.Errorf("Renew: %v, with secrets: %v", err, got != seal.RoomSecrets{})
	}
	if h.Room().RoomSecrets != shared || h.Pin() != key.Pin() {
		t.Error("this host has other secrets, or another key, than the others")
	}
}

// The names in a certificate of the user's own are known at once, and again when it changes.
func TestHostWithACertificate(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	certFile, keyFile := writeCertificate(t, dir, newECKey(t), now, now.Add(time.Hour), "lab.example", "*.example", "localhost")
	h := openSeal(t, Options{Dir: dir, Room: "lab", CertFile: certFile, KeyFile: keyFile, Log: slog.New(slog.DiscardHandler)})
	before := h.Room()
	if !slices.Equal(before.Names, []string{"lab.example"}) || before.SelfSigned || before.Pin != h.Pin() {
		t.Errorf("kept: %+v", before)
	}
	if curl := before.Curl("lab.example:1"); strings.Contains(curl, "-k") {
		t.Errorf("the curl line does not check the certificate: %s", curl)
	}
	writeCertificate(t, dir, newECKey(t), now, now.Add(2*time.Hour), "next.example")
	h.mu.Lock()
	h.checked = time.Time{} // as a second later
	h.mu.Unlock()
	see(t, h.CertificateSource, "next.example", "127.0.0.1")
	if r := h.Room(); !slices.Equal(r.Names, []string{"next.example"}) || r.Pin == before.Pin || r.Pin != h.Pin() || r.Member != before.Member {
		t.Errorf("after a change: %+v", r)
	}
}

// A secret that the user chose is kept, and changed only where it is from.
func TestHostWithASecretOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	h := openSeal(t, Options{Dir: dir, Room: "lab", Secret: "correct horse battery", SecretFrom: "/etc/s"})
	if h.Room().Member != "correct horse battery" {
		t.Error("the secret is another one")
	}
	if _, err := h.Renew(); err == nil || !strings.Contains(err.Error(), "is from /etc/s: change it there") || strings.Contains(err.Error(), "correct") {
		t.Errorf("Renew: %v", err)
	}
	h.Close()
	if again := openSeal(t, Options{Dir: dir, Room: "lab"}); again.Room().Member != "correct horse battery" {
		t.Error("without the file the secret is another one")
	}
	byKey := openSeal(t, Options{Dir: dir, Room: "keys", ByKey: true})
	if err := byKey.Describe("keys", "aaaa0000aaaa0000", &net.TCPAddr{Port: 1}, false); err != nil {
		t.Fatal(err)
	}
	if r := byKey.Room(); r.Invite("h:1", r.Member).Secret != "" || r.Invite("h:1", r.Listen).Secret == "" {
		t.Error("a room that is entered by key has a secret in its invite")
	}
}

// Invites lead where the certificate is valid, if it is not the host's own.
func TestInviteAddresses(t *testing.T) {
	addrs := []string{"10.0.0.5:24280", "192.168.1.5:24280"}
	for _, test := range []struct {
		names []string
		want  []string
	}{
		{nil, addrs},
		{[]string{"192.168.1.5"}, []string{"192.168.1.5:24280", "10.0.0.5:24280"}},
		{[]string{"203.0.113.9", "lab.example"}, []string{"lab.example:24280", "10.0.0.5:24280", "192.168.1.5:24280"}},
	} {
		r := Room{Names: test.names}
		if got := r.InviteAddrs(addrs); !slices.Equal(got, test.want) {
			t.Errorf("with %q: %q; want %q", test.names, got, test.want)
		}
	}
	r := Room{Names: []string{"lab.example"}}
	if got := r.InviteAddrs(nil); len(got) != 0 {
		t.Errorf("without addresses: %q", got)
	}
}
