package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/dustin/go-humanize"

	"chat/relay/client"
	"chat/relay/screen/picture"
	"chat/relay/text"
	"chat/relay/wire"
)

// pictureRead says that a picture was downloaded and read.
type pictureRead struct {
	transferDone
	picture *picture.Picture // nil: it was not
}

// viewPicture downloads a picture into a temporary folder, and shows it.
func viewPicture(c *conversation, typed string) tea.Cmd {
	f, err := c.pictureOf(typed)
	if err != nil {
		c.show(kindError, err.Error())
		return nil
	}
	name, room, background := text.FileName(f.Name), c.room, c.m.background
	t := &transfer{name: name, Running: client.Running{Number: f.Number}}
	var read *picture.Picture
	run := c.transfers.start(c.m.ctx, t, func(ctx context.Context, progress func(client.Progress)) (_ kind, failed string) {
		dir, err := os.MkdirTemp("", "chat-view-*")
		if err != nil {
			return kindError, "cannot show " + name + ": " + err.Error()
		}
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				failed = strings.TrimPrefix(failed+"\ncannot remove a temporary folder: "+err.Error(), "\n")
			}
		}()
		path, err := room.Get(ctx, f, dir, progress)
		if err == nil {
			read, err = picture.Open(ctx, path, background)
		}
		switch {
		case errors.Is(err, context.Canceled):
			return kindNotice, "canceled the download of " + name
		case err != nil:
			return kindError, "cannot show " + name + ": " + err.Error()
		}
		return kindError, ""
	})
	return func() tea.Msg {
		return pictureRead{run().(transferDone), read}
	}
}

// pictureOf returns the file that typed, the argument of /view, stands for, if it can be shown.
func (c *conversation) pictureOf(typed string) (f wire.File, err error) {
	number := strings.TrimPrefix(typed, "#")
	if _, err := strconv.ParseUint(number, 10, 64); err != nil && typed != "" {
		return f, fmt.Errorf("usage: %s; /files lists the numbers", wire.CommandNamed("view").Usage())
	}
	known := c.room.Files()
	if typed == "" { // the last picture, whatever was sent after it
		if pictures := slices.DeleteFunc(slices.Clone(known), func(f wire.File) bool { return !isPicture(&f) }); len(pictures) > 0 {
			known = pictures
		}
	}
	if f, _, err = client.TypedGet(known, typed); err != nil {
		return f, err
	}
	name, save := text.FileName(f.Name), fmt.Sprintf("/get %d saves it", f.Number)
	switch {
	case c.m.profile < colorprofile.ANSI256:
		return f, errors.New("this terminal has too few colors for pictures; " + save)
	case !isPicture(&f):
		return f, errors.New(name + " is not a PNG, JPEG or GIF picture; " + save)
	case f.Size > picture.MaxBytes:
		return f, fmt.Errorf("%s has more than %s; %s", name, humanize.IBytes(picture.MaxBytes), save)
	}
	return f, nil
}

func isPicture(f *wire.File) bool { return slices.Contains(picture.Types, f.Type) }

// showPicture shows a picture that was read, or why it was not.
func (c *conversation) showPicture(read pictureRead) {
	t := read.transfer
	c.transfers.remove(t)
	if read.text != "" {
		c.show(read.kind, read.text)
	}
	if read.picture == nil {
		return
	}
	var drawn []string
	var columns, rows int // that drawn is for
	c.openSheet(sheet{
		title: fmt.Sprintf("%s  %d × %d", c.m.ruler.show(t.name), read.picture.Width, read.picture.Height),
		page: func(width, height int) (int, func(int) string) {
			if drawn == nil || width != columns || height != rows {
				columns, rows = width, height
				drawn = read.picture.Rows(columns, rows)
			}
			return pageOf(drawn)
		},
		hints: []hint{{nil, "Esc", "close"}},
	}, nil)
}
