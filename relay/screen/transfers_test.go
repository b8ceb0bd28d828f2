package screen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

func (r *rig) shows(words string) bool { return strings.Contains(r.frame(), words) }

// finish runs the transfer that a command started, and returns its result.
func finish(t *testing.T, cmd tea.Cmd) (done transferDone) {
	t.Helper()
	msg := cmd()
	if batch, ok := msg.(tea.BatchMsg); ok { // with a tick
		msg = batch[0]()
	}
	done, ok := msg.(transferDone)
	if !ok {
		t.Fatalf("the command returned a %T", msg)
	}
	return done
}

func TestUploadAndDownload(t *testing.T) {
	inRoom(t, 100, 20, func(t *testing.T, r *rig) {
		r.typed("/send ~/soup.png")
		cmd := r.keys("enter")
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		if !r.shows(" ↑ soup.png  ──────────────────────────────    0 %") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		msg := finish(t, cmd)
		r.update(measureTransfers{})
		if !r.shows(" ↑ soup.png  ━━━━━━━━━━━━──────────────────   40 %  4 of 10 B") || len(r.room.sent) != 1 || r.room.sent[0] != filepath.Join(home, "soup.png") {
			t.Errorf("sent %q; the screen is\n%s", r.room.sent, r.frame())
		}
		r.update(msg)
		if r.shows("↑ soup.png") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		soup := wire.File{Number: 3, Name: "soup.png", Size: 1_234_567}
		r.happen(client.Received{Event: wire.Event{
			Type: wire.TypeAction, ID: 1, Time: noon, From: "alice", Text: "sent soup.png (1.2 MB): http://192.168.1.5:24280/files/3/soup.png", File: &soup,
		}})
		if !r.shows("alice sent  ▣ soup.png  1.2 MB · /get 3") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		r.typed("/get 3")
		r.keys("enter")
		if !r.shows("!   no uploads yet; /send PATH uploads a file") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		r.room.files = []wire.File{soup}
		r.typed("/files")
		r.keys("enter")
		r.typed("/get 3 /tmp")
		r.update(finish(t, r.keys("enter")))
		if !r.shows("3  soup.png (1.2 MB)") || !r.shows("saved "+filepath.Join("/tmp", "soup.png")) {
			t.Errorf("the screen is\n%s", r.frame())
		}
		r.room.err = errors.New("the host says: a file has at most 1.0 GiB here")
		r.typed("/send soup.iso")
		r.update(finish(t, r.keys("enter")))
		if !r.shows("!   cannot upload soup.iso: the host says: a file has at most 1.0 GiB here") {
			t.Errorf("the screen is\n%s", r.frame())
		}
	})
}

// /cancel cancels the download of one file, or all transfers. Each is reported when it has
// ended; the conversation continues.
func TestCancel(t *testing.T) {
	inRoom(t, 100, 24, func(t *testing.T, r *rig) {
		r.room.slow = true
		r.room.files = []wire.File{{Number: 3, Name: "soup.png", Size: 2_000_000}, {Number: 4, Name: "empty.txt"}}
		ends := make(chan transferDone)
		begin := func(typed string) {
			t.Helper()
			r.typed(typed)
			cmd := r.keys("enter")
			if !r.shows("0 %") {
				t.Fatalf("%s: the screen is\n%s", typed, r.frame())
			}
			go func() { ends <- finish(t, cmd) }()
			synctest.Wait()
			r.update(measureTransfers{})
		}
		command := func(typed, want string) {
			t.Helper()
			r.typed(typed)
			if r.keys("enter"); !r.shows(want) {
				t.Errorf("%s: no %q in\n%s", typed, want, r.frame())
			}
		}
		end := func(want ...string) {
			t.Helper()
			for range want {
				r.update(<-ends)
			}
			r.want(want...)
		}
		command("/cancel", "!   no transfer is running")
		begin("/send soup.iso")
		begin("/get 3 /tmp")
		begin("/get 4")
		command("/cancel 5", "!   file 5 is not being downloaded")
		command("/cancel soup", "!   usage: /cancel [N]")
		command("/cancel 0", "!   usage: /cancel [N]")
		command("/cancel #3", "↓ soup.png  ━━━━━━━━━━━━━━━───────────────   50 %  1.0 of 2.0 MB\n   1 more\n")
		end("canceled soup.png; 1.0 MB kept, /get 3 /tmp resumes it")
		if r.shows("↓ soup.png") || !r.shows("↑ soup.iso   ━━━━━━━━━━━━──────────────────   40 %") || !r.shows("↓ empty.txt  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		command("/cancel", "")
		end("canceled soup.iso\n", "canceled empty.txt\n")
		if r.shows(" %") {
			t.Errorf("the screen is\n%s", r.frame())
		}
		command("/cancel", "!   no transfer is running")
		r.typed("soup is ready")
		if r.keys("enter"); len(r.room.asked) != 1 || r.room.asked[0].Text != "soup is ready" {
			t.Errorf("the room was asked %+v", r.room.asked)
		}
	})
}

func TestCompletePath(t *testing.T) {
	dir := t.TempDir() + string(filepath.Separator)
	for _, name := range []string{"soup.png", "soup recipe.txt", ".soup", "bread.png"} {
		if err := os.WriteFile(dir+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"soups", 0o700); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"sou": "soup recipe.txt soup.png soups" + string(filepath.Separator), "br": "bread.png", ".": ".soup", "x": "", "soups/": "",
	} {
		var got []string
		for _, c := range completePath(dir + typed) {
			got = append(got, c.label)
			if !strings.HasPrefix(c.text, dir) {
				t.Errorf("%s becomes %s", typed, c.text)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
}
