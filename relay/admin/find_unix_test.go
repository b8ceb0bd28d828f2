//go:build unix

package admin

import (
	"os"
	"path/filepath"
	"testing"
)

// A room whose host was killed and replaced is there once: both hosts have the same socket, beside the history.
func TestRoomOfKilledHost(t *testing.T) {
	dir := shortDir(t)
	entry := open(t, dir, filepath.Join(dir, "kitchen.chat"), &fakeRoom{id: "aaaa000000000000"}).Entry()
	entry.PID++ // of the one that was killed
	killed := filepath.Join(openRooms(dir), "killed.json")
	if err := writeEntry(killed, &entry); err != nil {
		t.Fatal(err)
	}
	for _, as := range []struct{ own, other string }{{"", dir}, {dir, ""}} {
		if rooms, err := roomsIn(t.Context(), as.own, as.other); err != nil || len(rooms) != 1 {
			t.Errorf("%d rooms, %v", len(rooms), err)
		}
	}
	if _, err := os.Stat(killed); !isGone(err) {
		t.Errorf("the entry of the host that was killed is still there: %v", err)
	}
	if _, err := os.Stat(entry.Socket); err != nil {
		t.Error(err)
	}
}

// Root finds the room of the service, too. What is in its folder leads root nowhere else, and is not deleted.
func TestRoomsOfOther(t *testing.T) {
	own, service, foreign := shortDir(t), shortDir(t), shortDir(t)
	open(t, own, "", &fakeRoom{id: "aaaa000000000000"})
	open(t, service, "", &fakeRoom{id: "bbbb000000000000"})
	elsewhere := open(t, foreign, "", &fakeRoom{id: "cccc000000000000"}).Entry()
	at := func(name string) string { return filepath.Join(openRooms(service), name) }
	dead := Entry{ID: "dddd000000000000", Socket: at("dead.sock")}
	linked := Entry{ID: elsewhere.ID, Socket: at("linked.sock")}
	port := Entry{ID: elsewhere.ID, Address: "127.0.0.1:1", Token: "secret"}
	for name, e := range map[string]*Entry{"elsewhere.json": &elsewhere, "dead.json": &dead, "linked.json": &linked, "port.json": &port} {
		if err := writeEntry(at(name), e); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := filepath.Glob(filepath.Join(openRooms(foreign), "*.json"))
	if err := os.Symlink(elsewhere.Socket, linked.Socket); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(entries[0], at("link.json")); err != nil {
		t.Fatal(err)
	}
	rooms, err := roomsIn(t.Context(), own, service)
	if err != nil || len(rooms) != 2 || rooms[0].Status.ID == rooms[1].Status.ID {
		t.Fatalf("%v, %v", rooms, err)
	}
	for _, r := range rooms {
		if r.Status.ID == elsewhere.ID {
			t.Errorf("there is %v", r.Status)
		}
	}
	if _, err := os.Stat(at("dead.json")); err != nil {
		t.Error(err)
	}
	if rooms, err = roomsIn(t.Context(), own, ""); err != nil || len(rooms) != 1 {
		t.Errorf("alone: %v, %v", rooms, err)
	}
}
