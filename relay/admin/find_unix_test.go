//go:build unix

package admin

import (
	"os"
	"path/filepath"
	"testing"
)

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
