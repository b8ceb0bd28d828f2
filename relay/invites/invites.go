// Package invites is chat invite: it prints the invites of the sealed rooms that are hosted on this machine.
package invites

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"chat/relay/hostseal"
	"chat/relay/seal"
	"chat/relay/wire"
)

// An Audience is whom an invite is for.
type Audience int

const (
	Members   Audience = iota
	Listeners          // who only read
	Operators          // who also moderate
)

// A Printer prints invites. All fields but To are optional.
type Printer struct {
	To  io.Writer
	For Audience

	// Addrs returns the addresses at which others reach a room, the best one first; at least one.
	Addrs func(hostseal.Room) []string
	// Code returns the lines of a link's QR code, or an error if it has none. nil: links have none, and
	// only the best one is printed: the output is for a program.
	Code func(link string) ([]string, error)
}

// links returns the invites to a room at each of its addresses.
func (p *Printer) links(r *hostseal.Room, addrs []string) []string {
	secret := [...]seal.Secret{r.Member, r.Listen, r.Operator}[p.For]
	links := make([]string, len(addrs))
	for i, addr := range addrs {
		invite := r.Invite(addr, secret)
		links[i] = invite.URL()
	}
	return links
}

// Print prints the invites to a room.
func (p *Printer) Print(r hostseal.Room) error {
	addrs := p.Addrs(r)
	links := p.links(&r, addrs)
	if p.Code == nil {
		_, err := fmt.Fprintln(p.To, links[0])
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is sealed. %s:\n", r.Title, p.heading(&r))
	for _, link := range links {
		fmt.Fprintf(&b, "  %s\n", link)
	}
	if err := p.addCode(&b, links[0]); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nPin of the host's key: %s\n", r.Pin.Groups())
	if hash := r.KeyHash(); hash != "" {
		fmt.Fprintf(&b, "SHA-256 of its public key, in a browser:\n  %s\n", hash)
	}
	fmt.Fprintf(&b, "With curl: %s\n", r.Curl(addrs[0]))
	addInstall(&b, &r, addrs[0])
	_, err := io.WriteString(p.To, b.String())
	return err
}

// addCode adds the QR code of a link to b.
func (p *Printer) addCode(b *strings.Builder, link string) error {
	code, err := p.Code(link)
	if err != nil {
		return fmt.Errorf("no QR code: %w", err)
	}
	for _, line := range code {
		fmt.Fprintf(b, "  %s\n", line)
	}
	return nil
}

// addInstall adds how to install chat from the host at an address, if it hands out the program. The command checks the host's key.
func addInstall(b *strings.Builder, r *hostseal.Room, addr string) {
	if r.HandsOut {
		fmt.Fprintf(b, "Those without chat install it with\n  %s\n", r.Install(addr))
	}
}

// Reach says how others reach a room.
type Reach struct {
	Page       bool // it has a page for browsers
	Discovered bool // chat join finds it without an address
}

// PrintOpened prints every way into a room that was just opened, for its host.
func (p *Printer) PrintOpened(r hostseal.Room, by Reach) error {
	addrs := p.Addrs(r)
	links := p.links(&r, addrs)
	var b strings.Builder
	if p.Code == nil {
		fmt.Fprintf(&b, "%s is sealed. Invite:  %s\n", r.Title, links[0])
	} else {
		fmt.Fprintf(&b, "%s is sealed. Invite (also as QR):  %s\n", r.Title, links[0])
		if err := p.addCode(&b, links[0]); err != nil {
			return err
		}
	}
	if by.Page {
		b.WriteString("Others join with the invite in a browser, or with\n")
	} else {
		b.WriteString("Others join with\n")
	}
	for _, link := range links {
		fmt.Fprintf(&b, "  chat join '%s'\n", link)
	}
	if by.Discovered {
		fmt.Fprintf(&b, "  chat join    # shows the pin %s\n", r.Pin.Groups())
	}
	if by.Page {
		fmt.Fprintf(&b, "  %s\n", r.Curl(addrs[0]))
	}
	addInstall(&b, &r, addrs[0])
	fmt.Fprintf(&b, "%s prints the invite again.\n", CommandFor(r.Title, r.ID))
	_, err := io.WriteString(p.To, b.String())
	return err
}

// heading says for whom the invite is.
func (p *Printer) heading(r *hostseal.Room) string {
	switch {
	case p.For == Listeners:
		return "Invite to read only"
	case p.For == Operators:
		return "Invite for operators"
	case r.ByKey:
		return "Invite for members, who enter with their keys"
	}
	return "Invite for members"
}

// A line is a room as JSON.
type line struct {
	Title   string   `json:"title"`
	Room    string   `json:"room"` // its ID
	Pin     seal.Pin `json:"pin"`
	Invite  string   `json:"invite"`  // at the best address
	Invites []string `json:"invites"` // at each address
	Curl    string   `json:"curl"`
	Install string   `json:"install,omitempty"` // the command that installs the program from the host
}

// PrintJSON prints the invites to each room as a JSON object on a line.
func (p *Printer) PrintJSON(rooms []hostseal.Room) error {
	enc := json.NewEncoder(p.To)
	enc.SetEscapeHTML(false)
	for _, r := range rooms {
		addrs := p.Addrs(r)
		links := p.links(&r, addrs)
		l := line{r.Title, r.ID, r.Pin, links[0], links, r.Curl(addrs[0]), ""}
		if r.HandsOut {
			l.Install = r.Install(addrs[0])
		}
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// PrintList prints which rooms there are, without their secrets.
func (p *Printer) PrintList(rooms []hostseal.Room) error {
	table := tabwriter.NewWriter(p.To, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROOM\tADDRESS\tID")
	for _, r := range rooms {
		fmt.Fprintf(table, "%s\t%s\t%.8s\n", r.Title, p.Addrs(r)[0], r.ID)
	}
	return table.Flush()
}

// Select returns the rooms that want names (see [wire.IsRoomNamed]): those that are open, and the first of those that
// are not.
func Select(rooms []hostseal.Room, want string) (open []hostseal.Room, closed *hostseal.Room) {
	for _, r := range rooms {
		switch {
		case !wire.IsRoomNamed(want, r.Title, r.ID):
		case r.Running:
			open = append(open, r)
		case closed == nil && r.Title != "":
			closed = &r
		}
	}
	return open, closed
}

// CommandFor returns the command that prints the invite to a room on its host's machine.
func CommandFor(title, id string) string {
	if title == "" || strings.Trim(title, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" || title[0] == '-' {
		return fmt.Sprintf("chat invite %.8s", id) // a shell might read the title in another way
	}
	return "chat invite " + title
}
