package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

// The message comes back on every way out of a sheet, with the cursor where it was.
func TestSheetsKeepTheMessage(t *testing.T) {
	open := map[string]func(r *rig){
		"help":   func(r *rig) { openHelp(r.m.conversation) },
		"invite": func(r *rig) { openInvite(r.m.conversation) },
		"people": func(r *rig) { openPeople(r.m.conversation) },
	}
	leave := map[string][]string{
		"Esc": {"esc"}, "Ctrl-C": {"ctrl+c"}, "F1": {"f1"}, "after a scroll": {"pgdown", "up", "esc"}, "after a filter": {"é", "backspace", "esc"},
	}
	for sheet, open := range open {
		for way, keys := range leave {
			t.Run(sheet+" "+way, func(t *testing.T) {
				inRoom(t, 80, 24, func(t *testing.T, r *rig) {
					r.typed("half a line")
					r.keys("left", "left")
					open(r)
					r.want("Esc close ──")
					if r.keys(keys...); sheet == "invite" && way == "after a filter" {
						r.want("half a line") // the letter was for the message
					}
					c := r.m.conversation
					if e := &c.composer.editor; c.sheet.isOpen() || c.composer.field != nil || e.text != "half a line" || e.cursor != len("half a li") {
						t.Errorf("open %v, the message is %q, the cursor at %d", c.sheet.isOpen(), e.text, e.cursor)
					}
					r.want("half a line", "you are bob")
				})
			})
		}
	}
}

// A sheet says which rows it shows, and never scrolls past its ends.
func TestSheetScrolls(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		c := r.m.conversation
		lines := strings.Split(strings.TrimSpace(strings.Repeat("row\n", 50)), "\n")
		c.openSheet(sheet{title: "Test", page: func(columns, rows int) (int, func(int) string) { return pageOf(lines) }}, nil)
		r.frame()
		height := c.sheet.height
		for _, step := range []struct {
			key   string
			first int
			next  string
		}{
			{"up", 0, "PgDn"}, {"down", 1, "PgDn"}, {"pgdown", 1 + height - 2, "PgDn"}, {"end", 50 - height, "PgUp"}, {"pgdown", 50 - height, "PgUp"},
			{"pgup", 50 - 2*height + 2, "PgDn"}, {"home", 0, "PgDn"},
		} {
			r.keys(step.key)
			r.frame()
			if _, key := c.sheet.position(); c.sheet.first != step.first || key != step.next {
				t.Errorf("%s: row %d, %s; want %d, %s", step.key, c.sheet.first, key, step.first, step.next)
			}
		}
		r.update(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
		r.frame()
		if c.sheet.first != wheelRows || !c.view.following {
			t.Errorf("the wheel scrolls to row %d", c.sheet.first)
		}
		r.update(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
		r.frame()
		if rows, _ := c.sheet.position(); !strings.HasPrefix(rows, "1–") || !strings.HasSuffix(rows, " of 50") {
			t.Errorf("position %q", rows)
		}
		lines = lines[:3]
		if r.frame(); c.sheet.first != 0 {
			t.Errorf("row %d of 3", c.sheet.first)
		}
		if rows, key := c.sheet.position(); rows+key != "" {
			t.Errorf("position %q %q, though all is shown", rows, key)
		}
	})
}

// At any size a sheet fits, whatever is in it.
func TestSheetsFit(t *testing.T) {
	t.Parallel()
	for columns := 3; columns < 130; columns += 1 + columns/10 {
		for rows := 1; rows < 40; rows += 1 + rows/6 {
			inRoom(t, columns, rows, func(t *testing.T, r *rig) {
				for _, open := range []func(*conversation){openHelp, openInvite, openPeople} {
					open(r.m.conversation)
					r.frame() // fails if a row is too wide
					r.keys("end")
					r.frame()
				}
			})
		}
	}
}

// At 80×24 all ways to join are beside the QR code, with rows to spare. Enter copies the link, Tab shows the
// next address.
func TestInvite(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		c := r.m.conversation
		c.operator = true
		hosting := &Hosting{Discovered: true, Addrs: func() []string { return []string{"192.168.1.5:24280", "[fd00::5]:24280"} }}
		r.m.hosting = hosting
		r.typed("/invite")
		r.keys("enter")
		r.golden("invite-80x24")
		r.want("── Invite ─", "http://192.168.1.5:24280/", "chat join ", "chat join --addr 192.168.1.5:24280", "nc 192.168.1.5 24280")
		if rows, _ := c.sheet.position(); rows != "" {
			t.Errorf("it scrolls: %s", rows)
		}
		wantCopied := func(link string) {
			t.Helper()
			if got := r.keys("enter"); got == nil || got() != tea.SetClipboard(link)() || !c.sheet.isOpen() {
				t.Errorf("%s was not copied", link)
			}
			r.want("Copied " + link)
		}
		wantCopied("http://192.168.1.5:24280/")
		r.keys("tab")
		r.want("http://[fd00::5]:24280/", "nc fd00::5 24280")
		wantCopied("http://[fd00::5]:24280/")
		r.keys("tab")
		wantCopied("http://192.168.1.5:24280/")

		hosting.NoPage = true
		wantCopied("192.168.1.5:24280")
		hosting.Addrs = func() []string { return nil }
		r.want("chat join")
		if r.keys("enter"); c.sheet.isOpen() {
			t.Error("Enter does not close a sheet without a link")
		}
	})
}

// In a narrow window F2 shows the members as a sheet, with hosts and us marked. Letters filter them.
func TestPeople(t *testing.T) {
	inRoom(t, 50, 12, func(t *testing.T, r *rig) {
		c := r.m.conversation
		r.typed("half a line")
		r.keys("f2")
		r.want("── People ─", " alice", "host", " carol", " you", "people › Type to filter")
		r.golden("people-50x12")
		var nicks []string
		for i := range 30 {
			nicks = append(nicks, fmt.Sprintf("guest-%d", i))
		}
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, ID: 1, Time: noon, Members: nicks, Count: 40}})
		r.want(" of 34 PgDn")
		r.keys("end")
		r.want("10 more")
		r.typed("LI")
		r.want("alice")
		if frame := r.frame(); strings.Contains(frame, "carol") || strings.Contains(frame, "more") {
			t.Errorf("not filtered\n%s", frame)
		}
		r.typed("zz")
		r.want(`No nick matches "lizz".`)
		if r.keys("f2"); c.sheet.isOpen() || c.members.visible {
			t.Error("F2 does not close it")
		}
		r.want("half a line")
		r.m.width = memberListFrom
		if r.keys("f2"); c.sheet.isOpen() || !c.members.visible {
			t.Error("in a wide window the members are not beside the messages")
		}
	})
}
