package screen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// A commandFunc carries out a command; rest is the input after its name.
type commandFunc func(c *conversation, rest string) tea.Cmd

// screenCommands are the commands that [wire.Commands] leaves to the screen.
var screenCommands = map[string]commandFunc{
	"copy":    copyMessages,
	"export":  export,
	"send":    upload,
	"get":     download,
	"view":    viewPicture,
	"cancel":  cancelTransfers,
	"members": func(c *conversation, _ string) tea.Cmd { toggleMembers(c); return nil },
	"r":       reply,
}

// hostCommandsHere are commands that the host would carry out, and the screen has a
// better way: help is a sheet, a search moves from hit to hit, quit warns first if messages
// would be lost, files lists what this client knows, at a host of any version, and invite has a QR code.
var hostCommandsHere = map[string]commandFunc{
	"help":   func(c *conversation, _ string) tea.Cmd { openHelp(c); return nil },
	"search": func(c *conversation, words string) tea.Cmd { return c.search.open(words) },
	"quit":   quit,
	"files":  listUploads,
	"invite": invite,
}

// commandHere returns the function of a command that the screen carries out, or nil.
func commandHere(name string) commandFunc {
	if run := screenCommands[name]; run != nil {
		return run
	}
	return hostCommandsHere[name]
}

// isOffered reports whether completion and help list c.
func isOffered(c *wire.Command, operator bool) bool {
	return (c.Local == 0 || c.Local&wire.Screen != 0) && (!c.Operator || operator)
}

// commandsLike returns the offered commands whose names start with prefix.
func commandsLike(prefix string, operator bool) (like []*wire.Command) {
	for i := range wire.Commands {
		if c := &wire.Commands[i]; strings.HasPrefix(c.Name, prefix) && isOffered(c, operator) {
			like = append(like, c)
		}
	}
	return like
}

// takesNick reports whether the first argument of the command called name is the nick
// of a member.
func takesNick(name string) bool {
	c := wire.CommandNamed(name)
	return c != nil && len(c.Args) > 0 && strings.HasPrefix(c.Args[0].Name, "NICK")
}

// commandHint returns the line shown while a command is typed: its usage and help, or the
// commands that start with text; "" if text is a message.
func commandHint(text string, operator bool) string {
	typed, unknown := wire.ParseTyped(text, wire.Screen)
	if c := typed.Command; c != nil {
		if c.Operator && !operator {
			return c.Usage() + "  only operators can use it"
		}
		return c.Usage() + "  " + c.Help
	}
	if unknown == nil && text != "/" {
		return ""
	}
	name, _, _ := commandBefore(text)
	var names []string
	for _, c := range commandsLike(name, operator) {
		names = append(names, "/"+c.Name)
	}
	if len(names) == 0 || strings.ContainsFunc(text, unicode.IsSpace) {
		return "unknown command /" + name + "; " + sendAnyway
	}
	return strings.Join(names, " ")
}

// sendAnyway is what to do with a text that looks like a command and is none.
const sendAnyway = "put // in front to send it"

// refuse leaves a text in the editor that looks like a command and is none, with the cursor where the
// person can put a slash in front.
func (c *conversation) refuse(unknown error) {
	what, _, _ := strings.Cut(unknown.Error(), "; /help") // after it is the text, which the editor has
	c.show(kindError, what+"; "+sendAnyway)
	c.view.toEnd()
	c.composer.editor.moveTo(0)
}

// quit leaves, with a last message if there is one.
func quit(c *conversation, message string) tea.Cmd {
	if time.Since(c.leaveAsked) > leaveWithin {
		lost := ""
		if n := c.pending(); n > 0 {
			lost = wire.Counted(n, "message", "messages") + " not delivered"
		} else if n := len(c.transfers.running); n > 0 {
			lost = wire.Counted(n, "transfer", "transfers") + " in progress"
		}
		if lost != "" {
			c.leaveAsked = time.Now()
			c.flash = lost + " · /quit again leaves"
			return nil
		}
	}
	if message != "" {
		c.room.Do(c.m.ctx, wire.Request{Type: "command", Text: "/quit " + text.Clean(message)}) // if it fails, we leave without it
	}
	return c.m.quit()
}

// reply sends a private message to the sender of the last one.
func reply(c *conversation, message string) tea.Cmd {
	switch {
	case c.replyTo == "":
		c.show(kindError, "no private message to reply to; /msg NICK TEXT sends one")
	case message == "":
		c.show(kindError, "usage: "+wire.CommandNamed("r").Usage())
	default:
		c.send("/msg " + c.replyTo + " " + message)
		c.view.toEnd()
	}
	return nil
}

// maxCopy is how many bytes /copy copies: xterm and tmux pass on no more at once.
const maxCopy = 64 << 10

// copyMessages copies the last messages to the clipboard, by OSC 52, or the last block of code.
func copyMessages(c *conversation, count string) tea.Cmd {
	if count == "code" {
		return copyCode(c)
	}
	n := 1
	if count != "" {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			c.show(kindError, "usage: "+wire.CommandNamed("copy").Usage())
			return nil
		}
	}
	texts := c.transcript.lastTexts(n, maxCopy)
	if len(texts) == 0 {
		c.flash = "Nothing to copy."
		return nil
	}
	c.flash = "Copied " + wire.Counted(len(texts), "message.", "messages.")
	return tea.SetClipboard(strings.Join(texts, "\n"))
}

// copyCode copies the last block of code, as it was typed.
func copyCode(c *conversation) tea.Cmd {
	code, ok := c.transcript.lastCode()
	switch {
	case !ok:
		c.flash = "No block of code to copy."
		return nil
	case len(code) > maxCopy:
		c.flash = fmt.Sprintf("The block of code is larger than %d KiB.", maxCopy>>10)
		return nil
	}
	c.flash = "Copied " + wire.Counted(1+strings.Count(code, "\n"), "line", "lines") + " of code."
	return tea.SetClipboard(code)
}

// export writes the messages of the transcript to a new file: as JSON lines if its name
// says so, otherwise as text in the format of --log.
func export(c *conversation, path string) tea.Cmd {
	if path = client.TypedPath(path); path == "" {
		c.show(kindError, "usage: "+wire.CommandNamed("export").Usage()+" (JSON lines if FILE ends in .json or .jsonl)")
		return nil
	}
	asJSON := strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".jsonl")
	lines, n := c.transcript.export(asJSON, wire.Viewer{Nick: c.nick, Dated: true})
	switch err := writeNew(path, lines); {
	case errors.Is(err, fs.ErrExist):
		c.show(kindError, path+" already exists; nothing was written")
	case err != nil:
		c.show(kindError, "cannot export: "+err.Error())
	default:
		c.show(kindNotice, "saved "+wire.Counted(n, "message", "messages")+" to "+path)
	}
	return nil
}

// writeNew writes b to a file that must not exist yet.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// upload uploads the file at a path.
func upload(c *conversation, typed string) tea.Cmd {
	path := client.TypedPath(typed)
	if path == "" {
		c.show(kindError, "usage: "+wire.CommandNamed("send").Usage())
		return nil
	}
	name, room := text.Clean(filepath.Base(path)), c.room
	t := &transfer{name: name, upload: true}
	return c.transfers.start(c.m.ctx, t, func(ctx context.Context, progress func(client.Progress)) (kind, string) {
		err := room.Send(ctx, path, progress)
		switch {
		case errors.Is(err, context.Canceled):
			return kindNotice, client.CanceledSend(name)
		case err != nil:
			return kindError, "cannot upload " + name + ": " + err.Error()
		}
		return kindNotice, "" // the room announces it
	})
}

// download downloads an upload.
func download(c *conversation, typed string) tea.Cmd {
	f, dir, err := client.TypedGet(c.room.Files(), typed)
	if err != nil {
		c.show(kindError, err.Error())
		return nil
	}
	name, room := text.FileName(f.Name), c.room
	t := &transfer{name: name, Running: client.Running{Number: f.Number}}
	return c.transfers.start(c.m.ctx, t, func(ctx context.Context, progress func(client.Progress)) (kind, string) {
		var received int64
		path, err := room.Get(ctx, f, dir, func(p client.Progress) {
			received = p.Done
			progress(p)
		})
		switch {
		case errors.Is(err, context.Canceled):
			return kindNotice, client.CanceledGet(f, dir, received)
		case err != nil:
			return kindError, "cannot download " + name + ": " + err.Error()
		}
		return kindNotice, "saved " + path
	})
}

// cancelTransfers cancels all transfers, or the download of a file.
func cancelTransfers(c *conversation, typed string) tea.Cmd {
	if err := c.transfers.cancel(typed); err != nil {
		c.show(kindError, err.Error())
	}
	return nil
}

func listUploads(c *conversation, change string) tea.Cmd {
	if change != "" { // for operators, by the host
		c.send("/files " + change)
		return nil
	}
	c.show(kindNotice, client.FileLines(c.room.Files()))
	return nil
}
