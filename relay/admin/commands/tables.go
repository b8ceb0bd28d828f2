package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay"
	"chat/relay/admin"
	"chat/relay/text"
)

// A printer prints answers of hosts. They are cleaned: nicks, titles and names of files are the words of others.
type printer struct {
	table [][]string // rows that are not printed yet; their cells are clean
	out   io.Writer
	err   error // of the first write that failed
}

func newPrinter(out io.Writer) *printer { return &printer{out: out} }

func (p *printer) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

// row adds a row to the table that flush prints.
func (p *printer) row(cells ...string) {
	for i := range cells {
		cells[i] = text.Clean(strings.ReplaceAll(cells[i], "\t", " "))
	}
	p.table = append(p.table, cells)
}

// line prints words, perhaps of several lines.
func (p *printer) line(words string) {
	_, err := fmt.Fprintln(p.out, text.CleanLines(words))
	p.note(err)
}

// raw prints an answer as JSON on one line.
func (p *printer) raw(answer json.RawMessage) {
	var b bytes.Buffer
	p.note(json.Compact(&b, answer))
	_, err := p.out.Write(append(escaped(b.Bytes()), '\n'))
	p.note(err)
}

// flush prints the table. Its columns are as wide as a terminal shows their cells: text/tabwriter takes a Chinese
// character for one column.
func (p *printer) flush() error {
	var widths []int
	for _, row := range p.table {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], text.Columns(cell))
		}
	}
	for _, row := range p.table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-text.Columns(cell)+2))
		}
		_, err := fmt.Fprintln(p.out, strings.TrimRight(line.String(), " "))
		p.note(err)
	}
	p.table = nil
	return p.err
}

func printRooms(out io.Writer, rooms []admin.OpenRoom, asJSON bool) error {
	p := newPrinter(out)
	if !asJSON {
		p.row("ROOM", "ID", "MEMBERS", "ADDRESS", "OPEN", "SOCKET")
	}
	for _, r := range rooms {
		s, place := r.Status, r.Entry().Socket
		if asJSON {
			b, err := json.Marshal(struct {
				admin.Status
				Socket string `json:"socket,omitempty"`
			}{s, place})
			p.note(err)
			p.raw(b)
			continue
		}
		p.row(s.Title, fmt.Sprintf("%.8s", s.ID), fmt.Sprint(s.Members), s.Address, age(s.Since), place)
	}
	return p.flush()
}

func printMembers(p *printer, m admin.Members) {
	if !slices.ContainsFunc(m.Members, func(c relay.Connection) bool { return c.Relay != "" }) {
		p.row("NICK", "CLIENT", "SINCE", "ADDRESS", "")
		for i := range m.Members {
			c := &m.Members[i]
			p.row(c.Nick+tagOf(c), c.Kind, age(c.Since), addressOf(c), roles(c))
		}
		return
	}
	p.row("NICK", "CLIENT", "SINCE", "ADDRESS", "RELAY", "")
	for i := range m.Members {
		c := &m.Members[i]
		kind, address := c.Kind, addressOf(c)
		if kind == "" { // only its own relay knows
			kind, address = "-", "-"
		}
		p.row(c.Nick+tagOf(c), kind, age(c.Since), address, c.Relay, roles(c))
	}
}

// longSilence is after how many seconds a relay's row says that it was not heard. Relays announce themselves every 3 s, and live
// for 15 s without that.
const longSilence = 5

func printCluster(p *printer, c admin.Cluster) {
	link := "not connected to a NATS server"
	if c.Connected {
		link = "connected to " + c.Server
	}
	if c.Leader != "" {
		link += ", leader " + c.Leader
	}
	p.line(link + ", " + counted(c.Replicas, "replica", "replicas"))
	p.line(fmt.Sprintf("at record %d, %s", c.Position, counted(c.Requests, "request waits", "requests wait")))
	if c.Problem != "" {
		p.line("problem: " + c.Problem)
	}
	p.row("RELAY", "MEMBERS", "ADDRESS", "")
	for _, r := range c.Relays {
		var words []string
		if r.ID == c.Relay {
			words = append(words, "this one")
		}
		switch {
		case !r.Lives:
			words = append(words, "gone")
		case r.Silent > longSilence && r.ID != c.Relay:
			words = append(words, fmt.Sprintf("not heard for %.0f s", r.Silent))
		}
		address := "-"
		if len(r.Addresses) > 0 {
			address = r.Addresses[0]
		}
		p.row(r.ID, fmt.Sprint(r.Members), address, strings.Join(words, ", "))
	}
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func printSessions(p *printer, s admin.Sessions) {
	p.row("ADDRESS", "CLIENT", "SINCE", "QUEUE", "SENT", "NICK", "")
	for i := range s.Sessions {
		c := &s.Sessions[i]
		queue := "-"
		if c.Queued > 0 || c.Behind > 0 {
			queue = humanize.Bytes(uint64(c.Queued))
		}
		if c.Behind > 0 {
			queue += fmt.Sprintf(" +%d", c.Behind)
		}
		p.row(addressOf(c), c.Kind, age(c.Since), queue, humanize.Bytes(c.Sent), c.Nick+tagOf(c), state(c))
	}
}

// addressOf returns the address of a connection in words.
func addressOf(c *relay.Connection) string {
	if c.Address == "" {
		return "this process"
	}
	return c.Address
}

func tagOf(c *relay.Connection) string {
	if c.Tag == "" {
		return ""
	}
	return " (" + c.Tag + ")"
}

// roles returns what sets a member apart.
func roles(c *relay.Connection) string {
	var words []string
	switch {
	case c.Host:
		words = append(words, "host")
	case c.Operator:
		words = append(words, "operator")
	}
	if c.Muted {
		words = append(words, "muted")
	}
	return strings.Join(words, ", ")
}

// state returns the words for a connection that is not like most.
func state(c *relay.Connection) string {
	var words []string
	if c.Delayed {
		words = append(words, "delayed")
	}
	if c.Missed > 0 {
		words = append(words, fmt.Sprintf("missed %d events", c.Missed))
	}
	return strings.Join(words, ", ")
}

// age returns how long ago t was: "12s", "5m", "3h", "9d".
func age(t time.Time) string {
	switch d := max(time.Since(t), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

func printBans(p *printer, b admin.Bans) {
	if len(b.Banned)+len(b.Muted) == 0 {
		p.line("no one is banned or muted")
		return
	}
	p.row("NAME", "", "ADDRESSES")
	for _, list := range []struct {
		word  string
		marks []relay.Mark
	}{{"banned", b.Banned}, {"muted", b.Muted}} {
		for _, m := range list.marks {
			p.row(m.Name, list.word, strings.Join(m.Addresses, ", "))
		}
	}
}

func printFiles(p *printer, f admin.Files) {
	switch {
	case f.Uploads == "none":
		p.line("this host accepts no files")
		return
	case f.Uploads == "off":
		p.line("uploads are off")
	}
	if len(f.Files) == 0 {
		p.line("no uploads yet")
		return
	}
	p.row("N", "SIZE", "NAME", "PATH")
	for _, file := range f.Files {
		p.row(fmt.Sprint(file.Number), humanize.Bytes(uint64(max(file.Size, 0))), file.Name, file.Path)
	}
}

func printLimits(p *printer, l admin.Limits) {
	p.row("LIMIT", "VALUE", "DEFAULT")
	for _, limit := range l.Limits {
		p.row(limit.Name, limit.Value, limit.Default)
	}
}
