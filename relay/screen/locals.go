package screen

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/text"
	"chat/relay/wire"
)

// A commandFunc carries out a command; rest is what was typed after its name.
type commandFunc func(t *talk, m *model, rest string) tea.Cmd

// screenCommands are the commands that [wire.Commands] leaves to the screen.
var screenCommands = map[string]commandFunc{
	"copy":    (*talk).copy,
	"export":  (*talk).export,
	"send":    (*talk).sendFile,
	"get":     (*talk).getFile,
	"files":   (*talk).listFiles,
	"invite":  func(t *talk, m *model, _ string) tea.Cmd { return t.invite(m) },
	"members": func(t *talk, m *model, _ string) tea.Cmd { t.people.shown = !t.people.shown; return nil },
	"r":       (*talk).reply,
}

// hostCommandsHere are commands that the host would carry out, and the screen has a
// better way: help is a page, a search walks from hit to hit, and quit warns first if
// messages would be lost.
var hostCommandsHere = map[string]commandFunc{
	"help":   func(t *talk, m *model, _ string) tea.Cmd { return t.help(m) },
	"search": (*talk).find,
	"quit":   (*talk).quit,
}

// quit leaves, perhaps with a word.
func (t *talk) quit(m *model, word string) tea.Cmd {
	if n := t.waiting(); n > 0 && time.Since(t.leaving) > leaveWithin {
		t.leaving = time.Now()
		t.flash = wire.Counted(n, "message is", "messages are") + " not delivered; /quit again leaves"
		return nil
	}
	if word != "" {
		t.room.Do(m.ctx, wire.Request{Type: "command", Text: "/quit " + text.Clean(word)}) // the goodbye is said in any case
	}
	return m.quit()
}

// reply says something to who last said something to us alone.
func (t *talk) reply(m *model, text string) tea.Cmd {
	switch {
	case t.replyTo == "":
		t.tell(m, complaint, "nobody said anything to you alone yet; /msg NICK TEXT does")
	case text == "":
		t.tell(m, complaint, "usage: /r TEXT")
	default:
		t.ask(m, "/msg "+t.replyTo+" "+text)
		t.view.toEnd()
	}
	return nil
}

// maxCopy is how many bytes /copy takes: xterm and tmux pass on no more at once.
const maxCopy = 64 << 10

// copy puts the last messages into the clipboard, by OSC 52.
func (t *talk) copy(m *model, count string) tea.Cmd {
	n := 1
	if count != "" {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			t.tell(m, complaint, "usage: /copy [N]: the last N messages")
			return nil
		}
	}
	var texts []string
	size := 0
	entries := t.transcript.entries
	for i := len(entries) - 1; i >= 0 && len(texts) < n; i-- {
		if entries[i].kind > private {
			continue
		}
		if size += len(entries[i].text) + 1; size > maxCopy {
			break
		}
		texts = append(texts, entries[i].text)
	}
	if len(texts) == 0 {
		t.flash = "there is nothing to copy"
		return nil
	}
	slices.Reverse(texts)
	t.flash = wire.Counted(len(texts), "message copied", "messages copied")
	return tea.SetClipboard(strings.Join(texts, "\n"))
}

// export writes the talk so far to a file: as text, worded as --log has it, or as JSON
// lines where its name says so. It does not overwrite one.
func (t *talk) export(m *model, name string) tea.Cmd {
	if name == "" {
		t.tell(m, complaint, "usage: /export FILE: text, or JSON lines where FILE ends in .json or .jsonl")
		return nil
	}
	if rest, ok := strings.CutPrefix(name+string(filepath.Separator), "~"+string(filepath.Separator)); ok {
		if home, err := os.UserHomeDir(); err == nil {
			name = filepath.Join(home, rest)
		}
	}
	n, err := t.writeTo(name)
	switch {
	case os.IsExist(err):
		t.tell(m, complaint, name+" is there already; nothing was written")
	case err != nil:
		t.tell(m, complaint, "cannot write the talk: "+err.Error())
	default:
		t.tell(m, told, wire.Counted(n, "message is", "messages are")+" in "+name)
	}
	return nil
}

func (t *talk) writeTo(name string) (n int, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	asJSON := strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl")
	var b []byte
	for i := range t.transcript.entries {
		e, ok := t.transcript.entries[i].event()
		if !ok {
			continue
		}
		if n++; asJSON {
			b = e.AppendJSON(b)
		} else {
			b = e.AppendText(b, wire.Viewer{Zone: time.Local, Nick: t.nick, Dated: true})
		}
	}
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return n, err
}
