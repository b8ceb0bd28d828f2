package screen

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/seal"
	"chat/relay/wire"
)

// trustDialog asks whether the pin of a host is that of the host. Only y says so.
func (m *model) trustDialog(h client.Host, reply func(error) tea.Cmd) (d *dialog) {
	t := &m.terminal
	d = &dialog{
		sheet: sheet{title: "A new host", esc: "go back", hints: []hint{{nil, "y", "trust it"}, {nil, "Esc", "go back"}}, page: dialogPageOf(t, func(p *dialogPage) {
			p.addHost(h.Title, h.Addr)
			if h.Namesake.Pin != "" {
				p.blank()
				p.add("You know another room of this title, with another pin. This one may be there to be taken for it.", t.theme.Amber)
			}
			p.blank()
			p.add("Compare with the pin that the host shows: /invite there.", theme.Plain)
			p.blank()
			p.addPin(h.Pin)
			p.blank()
			p.add("If they are the same, press y: chat remembers the pin. If not, someone may be between you and the host. Nothing was sent yet.", t.theme.Dim)
			if len(h.Names) > 0 {
				p.blank()
				p.add("You know this pin from "+strings.Join(h.Names[:min(len(h.Names), maxCardNames)], ", ")+".", t.theme.Dim)
			}
		})},
		leave: func() tea.Cmd { return reply(client.ErrNotTrusted) },
	}
	d.keys = map[string]func() tea.Cmd{"y": func() tea.Cmd { m.closeDialog(d); return reply(nil) }}
	return d
}

// secretDialog asks for the secret of a room. The person may paste an invite instead.
func (m *model) secretDialog(q client.SecretQuestion, reply func(seal.Secret, error) tea.Cmd) (d *dialog) {
	t := &m.terminal
	f := &secretField{editor: editor{ruler: m.ruler, limit: maxSecretField}}
	switch {
	case q.Tries > 0 && m.typedSecret:
		f.note = "The secret is wrong. " + triesLeft(q.Tries)
	case q.Tries > 0: // the one that was kept
		f.note = "The room has a new secret."
	}
	submit := func(typed string) tea.Cmd {
		secret, err := seal.SecretIn(typed, q.Pin)
		if err == nil && secret == "" {
			err = errors.New("this invite has no secret")
		}
		if err != nil {
			f.note = sentence(err)
			f.clear()
			return nil
		}
		m.closeDialog(d)
		m.typedSecret = true
		return reply(secret, nil)
	}
	f.submit = func(typed string) tea.Cmd {
		switch {
		case strings.TrimSpace(typed) != "":
			return submit(typed)
		case f.note != withoutASecret:
			f.note = withoutASecret
			return nil
		}
		m.closeDialog(d)
		return reply("", nil)
	}
	f.pasted = func(text string) (tea.Cmd, bool) {
		if !seal.IsInvite(text) {
			return nil, false
		}
		return submit(text), true
	}
	d = &dialog{
		field: f,
		leave: func() tea.Cmd { return reply("", &client.SecretError{Code: wire.CodeNoSecret, Title: q.Title}) },
		sheet: sheet{title: "Secret needed", esc: "go back", hints: []hint{{nil, "Enter", "join"}, {nil, "Ctrl-U", "clear"}, {nil, "Esc", "go back"}}, page: dialogPageOf(t, func(p *dialogPage) {
			p.addHost(q.Title, q.Addr)
			if f.note != "" {
				p.blank()
				p.add(f.note, t.theme.Red)
			}
			p.blank()
			p.add("The room is sealed. Type its secret, or paste its invite. Its members see the invite with /invite.", theme.Plain)
		})},
	}
	return d
}

// withoutASecret is the note of an Enter without a secret. The next one joins without.
const withoutASecret = "Without a secret, only members with certain keys get in. If you have such a key, press Enter again."

// mostTries is how many secrets a client asks for; see [client.Questions].
const mostTries = 3

// triesLeft says how many secrets can still be tried.
func triesLeft(tries int) string {
	return wire.Counted(max(mostTries-tries, 1), "try is left.", "tries are left.")
}

// sentence returns an error as a sentence of its own.
func sentence(err error) string {
	words := err.Error()
	return strings.ToUpper(words[:1]) + words[1:] + "."
}

// addHost adds the title of a room and the address of its host, as far as they are known.
func (p *dialogPage) addHost(title, addr string) {
	if title = cutBytes(title, maxTitle); title != "" {
		p.add(title, theme.Bold)
	}
	p.add(cmp.Or(addr, "unknown address"), p.t.theme.Dim)
}

// addPin adds a pin in groups of four, as every screen shows it: four groups, and the others below.
func (p *dialogPage) addPin(pin seal.Pin) { p.rows = append(p.rows, drawPin(p.t, pin, p.columns)...) }

// drawPin draws a pin in groups of four, so that people can compare it with another one.
func drawPin(t *terminal, pin seal.Pin, columns int) (rows []string) {
	const perRow = 4
	groups := strings.Fields(pin.Groups())
	gap := "   "
	if perRow*4+(perRow-1)*len(gap) > columns {
		gap = " "
	}
	for len(groups) > 0 {
		n := min(perRow, len(groups))
		rows = append(rows, drawWrapped(t.ruler, oneLine(t.ruler, strings.Join(groups[:n], gap)), columns, theme.Bold)...)
		groups = groups[n:]
	}
	return rows
}

// alarmOf returns the dialog for an error that says that the program at an address may not be the host of the
// room with a title; nil: the error is another one. Nothing in it accepts that program. leave is called when the
// person closes it; nil: a conversation is shown again.
func (m *model) alarmOf(err error, title, addr string, leave func() tea.Cmd) *dialog {
	t := &m.terminal
	var what string
	var write func(p *dialogPage)
	changed, isPin := errors.AsType[*client.PinError](err)
	downgrade, _ := errors.AsType[*client.DowngradeError](err)
	switch {
	case downgrade != nil && downgrade.Known.Pin != "":
		what, write = "This is not the sealed room", func(p *dialogPage) { p.addPlainNamesake(downgrade) }
	case isPin && changed.IsChanged():
		what, write = "The host has another key", func(p *dialogPage) { p.addChangedKey(changed, title, addr, m.conversation != nil) }
	case errors.Is(err, client.ErrDowngrade):
		what, write = "This is not the sealed room", func(p *dialogPage) {
			p.addHost(title, addr)
			p.blank()
			p.add("You know this room as sealed, but the program at its address does not encrypt. Someone may have taken the address. Nothing was sent.", t.theme.Amber)
			p.blank()
			if downgrade == nil || downgrade.File == "" {
				p.add("Ask the host whether the room is sealed, and at which address: /invite there.", theme.Plain)
				return
			}
			p.add("Ask the host whether the room is sealed. If it is plain now, delete this line and join again:", theme.Plain)
			p.addLine(downgrade.File, downgrade.Line)
		}
	case errors.Is(err, client.ErrIntercepted):
		what, write = "Someone is between you and the host", func(p *dialogPage) {
			p.addHost(title, addr)
			p.blank()
			p.add("The program at this address relays your connection, or does not know the room's secret. Neither your secret nor a message was sent.", t.theme.Amber)
			p.blank()
			p.add("Ask the host for the invite, and join with that: it names the host's key.", theme.Plain)
		}
	default:
		return nil
	}
	d := &dialog{leave: leave, sheet: sheet{title: what, hints: []hint{{nil, "Esc", "close"}}, page: dialogPageOf(t, write)}}
	if leave != nil { // no one writes a message, which Enter would be for
		d.keys = map[string]func() tea.Cmd{"enter": func() tea.Cmd { m.closeDialog(d); return leave() }}
	}
	return d
}

// addPlainNamesake says that a plain room has the title of a sealed one that the person knows.
func (p *dialogPage) addPlainNamesake(e *client.DowngradeError) {
	p.addHost(e.Title, e.Addr)
	p.blank()
	p.add("This room is plain, and the room of this title that you know is sealed. Someone may want you to take it for that one. Nothing was sent.", p.t.theme.Amber)
	p.blank()
	p.add("Ask the host whether the room is sealed. If it is plain now, delete the lines with this title, such as the one below, and join again:", theme.Plain)
	p.addLine(e.Known.File, e.Known.Line)
}

// addLine names a line of a file.
func (p *dialogPage) addLine(file string, line int) {
	if file != "" {
		p.add(fmt.Sprintf("line %d of %s", line, file), theme.Bold)
	}
}

// addChangedKey says that a host has another key than it must have, and what the person can do. wasHere says that
// the room was joined with the other one.
func (p *dialogPage) addChangedKey(e *client.PinError, title, addr string, wasHere bool) {
	known, advice := "The pin that you trusted", "Ask the host for its pin: /invite there. If that is the new one, delete this line and join again:"
	switch {
	case e.File == "" && wasHere:
		known, advice = "The pin until now", "Ask the host whether its key is new. If it is, there is a new invite: /invite there."
	case e.File == "":
		known, advice = "The pin of the invite", "Ask the host for a new invite: /invite there."
	}
	p.addHost(cmp.Or(e.Title, title), cmp.Or(e.Addr, addr))
	p.blank()
	p.add("Someone may be between you and the host, or it is another machine now. Nothing was sent.", p.t.theme.Amber)
	p.blank()
	p.add(known, p.t.theme.Dim)
	p.addPin(e.Want)
	p.blank()
	p.add("The pin at this address now", p.t.theme.Dim)
	p.addPin(e.Pin)
	p.blank()
	p.add(advice, theme.Plain)
	p.addLine(e.File, e.Line)
}
