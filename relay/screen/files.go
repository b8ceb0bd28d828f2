package screen

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// A ferry is a file on its way, in either direction.
type ferry struct {
	what string       // "sending soup.png"
	done atomic.Int64 // per cent
}

// arrived is what became of it.
type arrived struct {
	ferry *ferry
	kind  kind
	text  string // what is told of it; "": nothing
}

// carry starts a file on its way, beside the talk. run is called in a goroutine of its own.
func (t *talk) carry(what string, run func(progress func(done, total int64)) (kind, string)) tea.Cmd {
	f := &ferry{what: what}
	t.ferries = append(t.ferries, f)
	return func() tea.Msg {
		k, text := run(func(done, total int64) {
			if total > 0 {
				f.done.Store(100 * done / total)
			}
		})
		return arrived{f, k, text}
	}
}

// arrive takes a file that is no longer on its way.
func (t *talk) arrive(m *model, a arrived) {
	t.ferries = slices.DeleteFunc(t.ferries, func(f *ferry) bool { return f == a.ferry })
	if a.text != "" {
		t.tell(m, a.kind, a.text)
	}
}

// ferryState says for the status line how far the files are.
func (t *talk) ferryState() string {
	const most = 2
	var parts []string
	for _, f := range t.ferries[:min(len(t.ferries), most)] {
		parts = append(parts, fmt.Sprintf("%s %d %%", f.what, f.done.Load()))
	}
	if more := len(t.ferries) - most; more > 0 {
		parts = append(parts, wire.Counted(more, "more file", "more files"))
	}
	return strings.Join(parts, " · ")
}

// sendFile sends the file at a path.
func (t *talk) sendFile(m *model, typed string) tea.Cmd {
	path := client.TypedPath(typed)
	if path == "" {
		t.tell(m, complaint, "usage: /send PATH")
		return nil
	}
	name := text.Clean(filepath.Base(path))
	return t.carry("sending "+name, func(progress func(done, total int64)) (kind, string) {
		if err := t.room.Send(m.ctx, path, progress); err != nil {
			return complaint, name + " was not sent: " + err.Error()
		}
		return told, "" // the room tells it
	})
}

// getFile gets a file that somebody sent.
func (t *talk) getFile(m *model, typed string) tea.Cmd {
	f, dir, err := client.TypedGet(t.room.Files(), typed)
	if err != nil {
		t.tell(m, complaint, err.Error())
		return nil
	}
	return t.carry("getting "+f.Name, func(progress func(done, total int64)) (kind, string) {
		path, err := t.room.Get(m.ctx, f, dir, progress)
		if err != nil {
			return complaint, "no " + f.Name + ": " + err.Error()
		}
		return told, f.Name + " is in " + path
	})
}

// listFiles lists the files that were sent here.
func (t *talk) listFiles(m *model, _ string) tea.Cmd {
	t.tell(m, told, client.FileLines(t.room.Files()))
	return nil
}

// completePath returns the paths that begin so. A folder's ends in a separator, so that Tab goes
// on in it.
func completePath(typed string) (fits []completion) {
	dir, base := filepath.Split(typed)
	in := client.TypedPath(dir)
	if in == "" {
		in = "."
	}
	entries, err := os.ReadDir(in)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(base, ".")
		if !strings.HasPrefix(name, base) || hidden || text.Clean(name) != name {
			continue
		}
		if info, err := os.Stat(filepath.Join(in, name)); err == nil && info.IsDir() {
			name += string(filepath.Separator)
		}
		fits = append(fits, completion{dir + name, name})
	}
	return fits
}
