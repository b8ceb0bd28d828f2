package screen

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"chat/relay/client"
	"chat/relay/wire"
)

// A pictureRoom has one content for all files, which are downloaded into folders.
type pictureRoom struct {
	*fakeRoom
	content []byte
	folders []string
}

func (r *pictureRoom) Get(ctx context.Context, f wire.File, dir string, progress func(client.Progress)) (string, error) {
	r.folders = append(r.folders, dir)
	path, err := r.fakeRoom.Get(ctx, f, dir, progress)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, r.content, 0o600)
}

// read runs cmd, and those that it consists of, until a picture was read.
func readPicture(cmd tea.Cmd) (read pictureRead, ok bool) {
	if cmd == nil {
		return read, false
	}
	msg := cmd()
	if batch, isBatch := msg.(tea.BatchMsg); isBatch {
		for _, cmd := range batch {
			if read, ok = readPicture(cmd); ok {
				return read, ok
			}
		}
	}
	if read, ok = msg.(pictureRead); ok {
		return read, ok
	}
	return read, false
}

func TestViewPicture(t *testing.T) {
	var content bytes.Buffer
	if err := png.Encode(&content, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		room := &pictureRoom{fakeRoom: r.room, content: content.Bytes()}
		r.m.conversation.room = room
		r.m.profile = colorprofile.TrueColor
		r.room.files = []wire.File{
			{Number: 3, Name: "soup.png", Size: 100, Type: "image/png"}, {Number: 4, Name: "notes.txt", Size: 10, Type: "application/octet-stream"},
			{Number: 5, Name: "huge.png", Size: 1 << 40, Type: "image/png"}, {Number: 6, Name: "last.png", Size: 100, Type: "image/png"},
			{Number: 7, Name: "later.txt", Size: 10, Type: "application/octet-stream"},
		}
		view := func(line string) {
			t.Helper()
			r.typed(line)
			if read, ok := readPicture(r.keys("enter")); ok {
				r.update(read)
			}
			if n := len(r.m.conversation.transfers.running); n != 0 {
				t.Errorf("%s: %d transfers are left", line, n)
			}
		}
		for _, line := range []string{"/view 3", "/view #3", "/view"} {
			view(line)
			r.want("30 × 20", "▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄")
			if name := "soup.png"; line == "/view" {
				r.want("last.png")
			} else {
				r.want(name)
			}
			if n := strings.Count(r.frame(), "▄▄"); n != 10*15 {
				t.Errorf("%s: %d pairs of half blocks, want %d", line, n, 10*15)
			}
			r.keys("esc")
			if r.shows("30 × 20") {
				t.Error("Esc does not close the picture")
			}
		}
		for line, want := range map[string]string{
			"/view 4":      "notes.txt is not a PNG, JPEG or GIF picture; /get 4 saves it",
			"/view 5":      "huge.png has more than 32 MiB; /get 5 saves it",
			"/view 9":      "no upload has the number 9",
			"/view 3 /tmp": "usage: /view [N]",
		} {
			if view(line); !r.shows(want) {
				t.Errorf("%s does not show %q:\n%s", line, want, r.frame())
			}
		}
		room.content = []byte("no picture")
		view("/view 3")
		r.want("cannot show soup.png: it is not a PNG, JPEG or GIF picture")
		r.m.profile = colorprofile.ANSI
		view("/view 3")
		r.want("too few colors")
		if len(room.folders) != 4 {
			t.Errorf("%d downloads, want 4", len(room.folders))
		}
		for _, dir := range room.folders {
			if _, err := os.Stat(dir); !os.IsNotExist(err) || filepath.Dir(dir) == dir {
				t.Errorf("the folder %s is left: %v", dir, err)
			}
		}
	})
}
