package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/limits"
	"chat/relay/wire"
)

// A fakeRoom notes what it is asked for.
type fakeRoom struct {
	id      string
	uploads relay.Uploads
	relay   string // its ID in a shared room; "": it is alone
	mistake error  // in its settings

	mu      sync.Mutex
	asked   []string // guarded by mu
	waiting chan struct{}
}

func (r *fakeRoom) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
}

func (r *fakeRoom) Info() wire.RoomInfo { return wire.RoomInfo{ID: r.id, Title: "kitchen"} }
func (r *fakeRoom) Connections() []relay.Connection {
	return []relay.Connection{{Nick: "bob", Kind: "person", Address: "10.0.0.1:99"}, {Kind: "new"}, {Nick: "ci", Visit: true}}
}
func (r *fakeRoom) Elsewhere() []relay.Connection {
	if r.relay == "" {
		return nil
	}
	return []relay.Connection{{Nick: "ann", Relay: "other"}}
}
func (r *fakeRoom) Cluster() (relay.ClusterStatus, bool) {
	return relay.ClusterStatus{Relay: r.relay, Relays: []relay.RelayStatus{{ID: "other", Members: 1}}}, r.relay != ""
}
func (r *fakeRoom) Marked() (banned, muted []relay.Mark) {
	return []relay.Mark{{Name: "eve", Addresses: []string{"10.0.0.9"}}}, []relay.Mark{}
}
func (r *fakeRoom) Operate(req *wire.Request) (string, error) {
	if req.Nick == "nobody" {
		return "", wire.Faultf(wire.CodeNoSuchNick, "no member is called nobody")
	}
	r.note("%s %s %s", req.Type, req.Nick, req.Text)
	return req.Nick + " done", nil
}
func (r *fakeRoom) Reload() (string, error) {
	r.note("reload")
	return "", r.mistake
}
func (r *fakeRoom) Uploads() relay.Uploads { return r.uploads }
func (r *fakeRoom) Limits() limits.Settings {
	return limits.Settings{Room: &relay.Options{MaxSessions: 7}, Files: &files.Limits{}}
}
func (r *fakeRoom) ChangeLimits(set []string) ([]limits.Change, error) {
	if set[0] == "line=1KiB" {
		return nil, errors.New("it needs a restart\nhint: restart it")
	}
	return []limits.Change{{Limit: limits.Named("rate"), From: "20/s", To: "5/s"}}, nil
}
func (r *fakeRoom) Backup(ctx context.Context, to string) error {
	r.note("backup %s", filepath.Base(to))
	if r.waiting != nil {
		close(r.waiting)
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}
func (r *fakeRoom) Stop(reason string) error { r.note("stop %s", reason); return nil }

// shortDir returns a new folder whose path is short enough for sockets, on all systems.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// open opens a server, which is closed with the test.
func open(t *testing.T, dir, history string, room *fakeRoom) *Server {
	t.Helper()
	if room.id == "" {
		room.id = "0123456789abcdef"
	}
	s, err := Open(Options{Room: room, Log: slog.New(slog.DiscardHandler), Dir: dir, Entry: Entry{Title: "kitchen", ID: room.id, Listens: "127.0.0.1:1", History: history}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Each request reaches the room, and its answer the client.
func TestRequests(t *testing.T) {
	room := &fakeRoom{}
	c := NewClient(open(t, shortDir(t), "", room).Entry())
	for _, test := range []struct {
		path, want string // parts of the answer
		body       any
	}{
		{"room", `"title":"kitchen" "members":1 "sessions":3 "address":"127.0.0.1:1"`, nil},
		{"members", `[{"address":"10.0.0.1:99","kind":"person" "nick":"bob"`, nil},
		{"sessions", `"kind":"new" "nick":"ci","visit":true`, nil},
		{"bans", `{"banned":[{"name":"eve","addresses":["10.0.0.9"]}],"muted":[]}`, nil},
		{"files", `{"uploads":"none","files":[]}`, nil},
		{"limits", `{"name":"connections","value":"7","default":"1000","help":"Accept "name":"line","value":"8KiB","default":"8KiB"`, nil},
		{"kick", `{"notice":"bob done"}`, Action{"bob", "too loud"}},
		{"op", `{"notice":"bob is an operator\nbob done"}`, Action{Nick: "bob"}},
		{"files", `{"notice":" done"}`, FilesChange{Remove: 3}},
		{"files", `{"notice":" done"}`, FilesChange{Uploads: "off"}},
		{"invite", `{"notice":" done"}`, struct{}{}},
		{"limits", `{"changed":[{"name":"rate","from":"20/s","to":"5/s"}]}`, LimitsChange{[]string{"rate=5/s"}}},
		{"reload", `{"notice":"the settings were read again"}`, struct{}{}},
		{"backup", `{"notice":"the history is in `, BackupTo{filepath.Join(shortDir(t), "b")}},
		{"stop", `{"notice":"the room closes"}`, Stop{"lunch"}},
	} {
		send := func() ([]byte, error) { return c.Get(t.Context(), test.path, nil) }
		if test.body != nil {
			send = func() ([]byte, error) { return c.Post(t.Context(), test.path, test.body, nil) }
		}
		got, err := send()
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		for part := range strings.SplitSeq(test.want, ` "`) {
			if !strings.Contains(string(got), strings.TrimPrefix(part, `"`)) {
				t.Errorf("%s: got %s, without %s", test.path, got, part)
			}
		}
	}
	want := []string{"kick bob too loud", "op bob ", "files  rm 3", "files  off", "invite  new", "reload", "backup b", "stop lunch"}
	if !slices.Equal(room.asked, want) {
		t.Errorf("the room was asked for\n%q, want\n%q", room.asked, want)
	}
}

// In a shared room members of other relays are listed, too, and the cluster has a status.
func TestSharedRequests(t *testing.T) {
	shared := NewClient(open(t, shortDir(t), "", &fakeRoom{relay: "mine"}).Entry())
	for path, want := range map[string]string{"room": `"members":2`, "members": `"relay":"other","nick":"ann"`, "cluster": `"relay":"mine","relays":[{"id":"other","lives":false,"members":1,"silent_seconds":0}]`} {
		if got, err := shared.Get(t.Context(), path, nil); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, %v, without %s", path, got, err, want)
		}
	}
	alone := NewClient(open(t, shortDir(t), "", &fakeRoom{}).Entry())
	if got, err := alone.Get(t.Context(), "cluster", nil); err == nil || !strings.Contains(err.Error(), "this room has no other relays\nhint: ") {
		t.Errorf("the cluster of a room that is not shared: %s, %v", got, err)
	}
}

// Requests that are wrong are refused with the reason, and change nothing.
func TestWrongRequests(t *testing.T) {
	room := &fakeRoom{}
	c := NewClient(open(t, shortDir(t), "", room).Entry())
	for _, test := range []struct {
		path   string
		body   any
		status int
		want   string
	}{
		{"nonsense", Action{}, 404, "unknown request POST /v1/nonsense"},
		{"members", Action{}, 404, "unknown request"}, // POST
		{"kick", Action{Nick: "nobody"}, 404, "no member is called nobody"},
		{"kick", map[string]any{"nik": "bob"}, 400, `unknown field "nik"`},
		{"kick", "bob", 400, "not a JSON object of the right shape"},
		{"kick", Action{"bob", strings.Repeat("x", maxBody)}, 413, "more than 16384 bytes"},
		{"files", FilesChange{}, 400, "neither a file to remove"},
		{"files", FilesChange{Remove: 1, Uploads: "on"}, 400, "neither a file to remove"},
		{"backup", BackupTo{"b.chat"}, 400, "not absolute"},
		{"limits", LimitsChange{[]string{"line=1KiB"}}, 422, "it needs a restart\nhint: restart it"},
	} {
		_, err := c.Post(t.Context(), test.path, test.body, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != test.status || !strings.Contains(e.Error(), test.want) {
			t.Errorf("%s %.40v: %v, want %d %s", test.path, test.body, err, test.status, test.want)
		}
	}
	if len(room.asked) > 0 {
		t.Errorf("the room was asked for %q", room.asked)
	}
}

// All mistakes that a reload finds are in one line, with one hint.
func TestReloadWithMistakes(t *testing.T) {
	room := &fakeRoom{mistake: errors.Join(errors.New("the certificate is not in PEM\nhint: use PEM"), errors.New("chat.toml:3: unknown setting"))}
	_, err := NewClient(open(t, shortDir(t), "", room).Entry()).Post(t.Context(), "reload", struct{}{}, nil)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusUnprocessableEntity || e.Text != "the certificate is not in PEM; chat.toml:3: unknown setting" || e.Hint != "use PEM" {
		t.Errorf("got %v", err)
	}
}

// A body that does not arrive in time is no mistake in its JSON.
func TestSlowBody(t *testing.T) {
	slow := io.MultiReader(strings.NewReader(`{"nick":`), iotest.ErrReader(&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}))
	err := decode(httptest.NewRequest("POST", "/v1/kick", slow), new(Action))
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusRequestTimeout || e.Text != "the request did not arrive within 10s" {
		t.Errorf("the error is %v", err)
	}
}

// Only one backup is written at a time, and it ends with the server.
func TestBackupEndsWithServer(t *testing.T) {
	room := &fakeRoom{waiting: make(chan struct{})}
	s := open(t, shortDir(t), "", room)
	c := NewClient(s.Entry())
	ended := make(chan error, 1)
	to := BackupTo{filepath.Join(shortDir(t), "b")}
	go func() {
		_, err := c.Post(context.Background(), "backup", to, nil)
		ended <- err
	}()
	<-room.waiting
	_, err := c.Post(t.Context(), "backup", to, nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusConflict {
		t.Errorf("a second backup: %v", err)
	}
	s.Close()
	if err := <-ended; err == nil {
		t.Error("a backup that was cut off succeeded")
	}
}

// The requests of browsers are refused everywhere; on a loopback port, those without the token, and for other hosts.
func TestLoopback(t *testing.T) {
	s := &Server{room: &fakeRoom{}, log: slog.New(slog.DiscardHandler)}
	ln, err := s.listenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	s.serve(ln)
	t.Cleanup(s.Close)
	address, token := s.entry.Address, "Bearer "+s.entry.Token
	for _, test := range []struct {
		host, token, header string
		status              int
	}{
		{address, token, "", 200},
		{address, "", "", 401},
		{address, "Bearer ", "", 401},
		{address, token + "x", "", 401},
		{address, token[:len(token)-1] + "!", "", 401}, // as long as the token
		{address, strings.Replace(token, "Bearer", "Basic", 1), "", 401},
		{"localhost", token, "", 403},
		{"evil.example", token, "", 403}, // DNS rebinding
		{address, token, "Origin", 403},
		{address, token, "Sec-Fetch-Site", 403},
	} {
		req, _ := http.NewRequest("GET", "http://"+address+"/v1/room", nil)
		req.Host = test.host
		if test.token != "" {
			req.Header.Set("Authorization", test.token)
		}
		if test.header != "" {
			req.Header.Set(test.header, "http://"+address)
		}
		client := http.Client{Transport: &http.Transport{}}
		response, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		client.CloseIdleConnections()
		if response.Close != (test.status != 200) {
			t.Errorf("%+v: the connection stays: %v", test, !response.Close)
		}
		if response.StatusCode != test.status || strings.Contains(string(body), "kitchen") != (test.status == 200) {
			t.Errorf("%+v: status %d, %s", test, response.StatusCode, body)
		}
	}
	if _, err := NewClient(s.entry).Get(t.Context(), "room", nil); err != nil {
		t.Error(err)
	}
	elsewhere := Entry{Address: "192.0.2.1:80", Token: "secret"}
	if _, err := NewClient(elsewhere).Get(t.Context(), "room", nil); err == nil || !strings.Contains(err.Error(), "not one of this machine") {
		t.Errorf("the token goes to another machine: %v", err)
	}
}

// The rooms of a user are found by what their hosts leave in a folder; those of hosts that were killed are
// forgotten.
func TestRooms(t *testing.T) {
	dir := shortDir(t)
	open(t, dir, "", &fakeRoom{id: "aaaa000000000000"})
	second := open(t, dir, "", &fakeRoom{id: "bbbb000000000000"})
	dead := filepath.Join(openRooms(dir), "dead.json")
	gone := Entry{ID: "cccc000000000000", Socket: filepath.Join(openRooms(dir), "gone.sock")}
	if runtime.GOOS == "windows" {
		gone.Address = "127.0.0.1:1"
	}
	if err := writeEntry(dead, &gone); err != nil {
		t.Fatal(err)
	}
	rooms, err := Rooms(t.Context(), dir)
	if err != nil || len(rooms) != 2 {
		t.Fatalf("%d rooms, %v", len(rooms), err)
	}
	if _, err := os.Stat(dead); !isGone(err) {
		t.Errorf("the entry of a host that was killed is still there: %v", err)
	}
	for want, id := range map[string]string{"aaaa": "aaaa000000000000", "BBBB0000": "bbbb000000000000"} {
		if r, err := Choose(rooms, want); err != nil || r.Status.ID != id {
			t.Errorf("%s is %s, %v", want, r.Status.ID, err)
		}
	}
	_, err = Choose(rooms, "Kitchen")
	if choice, ok := errors.AsType[*ChoiceError](err); !ok || len(choice.Rooms) != 2 {
		t.Errorf("a title of two rooms: %v", err)
	}
	_, err = Choose(rooms, "other")
	if _, ok := errors.AsType[*NoRoomError](err); !ok {
		t.Errorf("an unknown title: %v", err)
	}
	second.Close()
	if rooms, err = Rooms(t.Context(), dir); err != nil || len(rooms) != 1 {
		t.Errorf("after one closed: %d rooms, %v", len(rooms), err)
	}
	if left, _ := filepath.Glob(filepath.Join(openRooms(dir), "bbbb*")); len(left) > 0 {
		t.Errorf("%q are left of it", left)
	}
}

// A thousand connections that send nothing, garbage, or a request without end cost the host no more than maxConns of them, and
// a room can be administered again soon.
func TestManyConnections(t *testing.T) {
	s := open(t, shortDir(t), "", &fakeRoom{})
	entry := s.Entry()
	var conns []net.Conn
	for i := range 1000 {
		conn, err := entry.dial(&net.Dialer{Timeout: dialTimeout})
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		conns = append(conns, conn)
	}
	// The ones beyond the limit are closed, with a reason if they ask and not too many do.
	if last, err := io.ReadAll(conns[len(conns)-1]); err != nil || len(last) > 0 {
		t.Errorf("the last connection gets %q, %v", last, err)
	}
	time.Sleep(refusalTimeout)
	_, err := NewClient(entry).Get(t.Context(), "room", nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 503 || e.Hint == "" {
		t.Errorf("one more gets %v", err)
	}
	for i, garbage := range []string{"\x16\x03\x01\x02\x00", "GET / HTTP/9.9\r\n\r\n", "GET /v1/room HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n", "POST /v1/kick HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{"} {
		if _, err := io.WriteString(conns[i], garbage); err != nil {
			t.Error(err)
		}
		if i == 1 || i == 2 { // the host does not wait for more
			if b, err := io.ReadAll(conns[i]); err == nil && !strings.HasPrefix(string(b), "HTTP/1.1 4") && !strings.HasPrefix(string(b), "HTTP/1.1 505") {
				t.Errorf("%.20q gets %q", garbage, b)
			}
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	awaitRoom(t, entry)
}

// awaitRoom waits until the host answers.
func awaitRoom(t *testing.T, e Entry) {
	t.Helper()
	var err error
	for range 200 {
		if _, err = NewClient(e).Get(t.Context(), "room", nil); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the host does not answer: %v", err)
}

// Errors say what to do.
func TestUnreachable(t *testing.T) {
	dir := shortDir(t)
	history := filepath.Join(dir, "k.chat")
	s := open(t, "", history, &fakeRoom{})
	if err := os.WriteFile(history, []byte("no entry"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "hint: the host is not running",
		dir:                        "is a folder\nhint: ",
		history:                    "is no socket\nhint: --socket " + history + suffix,
	} {
		if _, err := At(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	c, err := At(history + suffix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "room", nil); err != nil {
		t.Error(err)
	}
	s.Close()
	if _, err := c.Get(t.Context(), "room", nil); err == nil || !strings.Contains(err.Error(), "hint: the host is not running") {
		t.Errorf("a closed host: %v", err)
	}
	if err := c.AwaitEnd(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(history + suffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}
