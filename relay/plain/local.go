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
	"files":       (*conversation).listFiles,
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
	v.transfers.Go(func() {
		if err := v.client.Send(ctx, path, v.reportProgress("uploading "+name)); err != nil {
			v.reportFailure(ctx, "cannot upload "+name, err)
			return
		}
		fmt.Fprintln(v.Err, "* uploaded "+name)
	})
}

func (v *conversation) download(ctx context.Context, args string) {
	f, dir, err := client.TypedGet(v.client.Files(), args)
	if err != nil {
		fmt.Fprintln(v.Err, "! "+err.Error())
		return
	}
	v.transfers.Go(func() {
		path, err := v.client.Get(ctx, f, dir, v.reportProgress("downloading "+f.Name))
		if err != nil {
			v.reportFailure(ctx, "cannot download "+f.Name, err)
			return
		}
		fmt.Fprintf(v.Err, "* saved %s (%s)\n", text.Clean(path), humanize.Bytes(uint64(f.Size)))
	})
}

func (v *conversation) listFiles(context.Context, string) {
	fmt.Fprintln(v.Err, "* "+strings.ReplaceAll(client.FileLines(v.client.Files()), "\n", "\n* "))
}

// reportFailure prints why a transfer failed, unless the reason is that we leave.
func (v *conversation) reportFailure(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, client.ErrClosed) {
		fmt.Fprintln(v.Err, "! "+what+": "+text.Clean(err.Error()))
	}
}

// progressEvery is how often the progress of a long transfer is printed.
const progressEvery = 10 * time.Second

// reportProgress returns a progress function for one transfer.
func (v *conversation) reportProgress(what string) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if total > 0 && time.Since(last) >= progressEvery {
			last = time.Now()
			fmt.Fprintf(v.Err, "* %s: %d %% of %s\n", what, 100*done/total, humanize.Bytes(uint64(total)))
		}
	}
}
