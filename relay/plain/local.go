package plain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// localCommands are the commands of wire.Commands that this package carries out itself.
var localCommands = map[string]func(v *conversation, ctx context.Context, args string){
	wire.TypeSend: (*conversation).upload,
	"get":         (*conversation).download,
	"cancel":      (*conversation).cancelTransfers,
}

// runLocal runs a command of localCommands. Uploads and downloads run on in the background.
func (v *conversation) runLocal(ctx context.Context, c *wire.Command, args string) {
	if len(c.Args) > 0 && !c.Args[0].Optional && strings.TrimSpace(args) == "" {
		fmt.Fprintln(v.Err, "! usage: "+c.Usage())
		return
	}
	localCommands[c.Name](v, ctx, args)
}

func (v *conversation) upload(ctx context.Context, args string) {
	path := client.TypedPath(args)
	name := text.Clean(filepath.Base(path))
	v.transfers.start(ctx, v.Err, 0, func(own context.Context) string {
		if err := v.client.Send(own, path, v.reportProgress("uploading "+name)); err != nil {
			return failureLine(err, "cannot upload "+name, client.CanceledSend(name))
		}
		return "* uploaded " + name
	})
}

func (v *conversation) download(ctx context.Context, args string) {
	f, dir, err := client.TypedGet(v.client.Files(), args)
	if err != nil {
		fmt.Fprintln(v.Err, "! "+err.Error())
		return
	}
	v.transfers.start(ctx, v.Err, f.Number, func(own context.Context) string {
		var received int64
		report := v.reportProgress("downloading " + f.Name)
		path, err := v.client.Get(own, f, dir, func(p client.Progress) {
			received = p.Done
			report(p)
		})
		if err != nil {
			return failureLine(err, "cannot download "+f.Name, client.CanceledGet(f, dir, received))
		}
		return fmt.Sprintf("* saved %s (%s)", text.Clean(path), humanize.Bytes(uint64(f.Size)))
	})
}

func (v *conversation) cancelTransfers(_ context.Context, args string) {
	if err := v.transfers.cancel(args); err != nil {
		fmt.Fprintln(v.Err, "! "+err.Error())
	}
}

func (v *conversation) listFiles() {
	fmt.Fprintln(v.Err, "* "+strings.ReplaceAll(client.FileLines(v.client.Files()), "\n", "\n* "))
}

// failureLine returns the line for a transfer that ended with err: the text canceled if
// the person canceled it, or left, otherwise why it failed.
func failureLine(err error, what, canceled string) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, client.ErrClosed) {
		return "* " + text.Clean(canceled)
	}
	return "! " + what + ": " + text.Clean(err.Error())
}

// progressEvery is how often the progress of a long transfer is printed.
const progressEvery = 10 * time.Second

// reportProgress returns a progress function for one transfer.
func (v *conversation) reportProgress(what string) func(client.Progress) {
	last := time.Now()
	return func(p client.Progress) {
		if p.Total <= 0 || time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		line := fmt.Sprintf("* %s: %d %% of %s", what, 100*p.Done/p.Total, humanize.Bytes(uint64(p.Total)))
		if p.Waiting != nil {
			line += "; retrying: " + text.Clean(p.Waiting.Error())
		}
		fmt.Fprintln(v.Err, line)
	}
}
