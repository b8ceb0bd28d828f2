package history

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"chat/relay/wire"
)

// An imported history passes every check and keeps the ids of its events; a host continues after them.
func TestImport(t *testing.T) {
	const first, count = 500, 2500
	path := filepath.Join(t.TempDir(), "room.chat")
	at := time.Date(2024, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	fold := newToyFold()
	err := Import(path, "kitchen", fold, func(im *Importer) error {
		if err := im.Hide([]byte(`"imported"`), at); err != nil {
			return err
		}
		for n := range count {
			e := wire.Event{ID: uint64(first + n), Type: wire.TypeMessage, Time: at.Add(time.Duration(n) * time.Second), From: "alice", Text: fmt.Sprint("number ", n)}
			if err := im.Add(&e, Origin{Author: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	makeDatabase(t, path, `INSERT INTO state VALUES ('authors', '1')`)
	if problems, r := checkProblems(t, path); len(problems) > 0 || r.First != first || r.Events != count {
		t.Errorf("%q, %+v", problems, r)
	}
	if title, err := Title(path); title != "kitchen" || err != nil {
		t.Errorf("the title is %q, %v", title, err)
	}
	if names := filesIn(t, filepath.Dir(path)); len(names) != 1 || names["room.chat"].Mode().Perm()&0o077 != 0 {
		t.Errorf("there are %v", names)
	}
	h := host(t, path, few)
	defer h.close()
	if h.file.unindexed != 0 {
		t.Errorf("%d messages are not indexed", h.file.unindexed)
	}
	h.waitUntilSettled(h.put(message("soup"), Origin{Author: 2}))
	h.close()
	events := readAllOf(t, path, Selection{})
	if last := events[len(events)-1]; last.ID != first+count || last.Text != "soup" {
		t.Errorf("the last event is %+v", last)
	}
}

// An import that fails leaves nothing.
func TestImportFails(t *testing.T) {
	odd := errors.New("odd")
	for name, test := range map[string]struct {
		write func(im *Importer) error
		want  error
	}{
		"an error": {func(*Importer) error { return odd }, odd},
		"a hole": {func(im *Importer) error {
			return errors.Join(im.Add(&wire.Event{ID: 1, Type: wire.TypeMessage}, Origin{}), im.Add(&wire.Event{ID: 3, Type: wire.TypeMessage}, Origin{}))
		}, nil},
		"no id": {func(im *Importer) error { return im.Add(&wire.Event{Type: wire.TypeMessage}, Origin{}) }, nil},
		"a huge id": {func(im *Importer) error {
			return im.Add(&wire.Event{ID: maxStart + 1, Type: wire.TypeMessage}, Origin{})
		}, nil},
		"there is one":  {nil, ErrExists},
		"in no folder ": {nil, nil},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "room.chat")
		switch {
		case test.want == ErrExists:
			makeFile(t, path, 1)
		case test.write == nil:
			path = filepath.Join(path, "room.chat")
		}
		before := files(t, dir)
		err := Import(path, "", newToyFold(), test.write)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: the error is %v", name, err)
		}
		if after := files(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: there are %v", name, sizes(after))
		}
	}
}
