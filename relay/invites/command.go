package invites

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/cmdline"
	"chat/relay/endpoint"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/manual"
	"chat/relay/qrcode"
	"chat/relay/text"
)

// Command returns chat invite. Each call returns a new one: urfave/cli keeps state in its options.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "invite",
		Usage:     "Print the invite to a sealed room that you host on this machine.",
		ArgsUsage: "[ROOM]",
		Description: manual.Describe("ROOM is a title or the start of an ID. A terminal also shows the QR code; a program gets only the link.",
			"chat invite",
			"chat invite lab --listen      # for guests who only read",
			"chat invite --json | jq -r .invite"),
		Flags: []cli.Flag{
			cmdline.Switch("", "listen", "Print the invite for guests who may only read."),
			cmdline.Switch("", "operator", "Print the invite for operators, who may kick and ban."),
			cmdline.Switch("", "json", "Print one JSON object per room."),
		},
		Action: func(c *cli.Context) error {
			to, err := audienceOf(c)
			if err != nil {
				return err
			}
			return printAll(c.App.Writer, c.App.ErrWriter, to, c.Args().First(), c.Bool("json"))
		},
	}
}

// audienceOf returns whom the invite of a command line is for.
func audienceOf(c *cli.Context) (Audience, error) {
	switch {
	case c.NArg() > 1:
		return 0, cmdline.UsageErrorf("chat invite takes one room, not %d\nhint: quote a title that has spaces", c.NArg())
	case c.Bool("listen") && c.Bool("operator"):
		return 0, cmdline.UsageErrorf("--listen and --operator exclude each other\nhint: leave out one of them")
	case c.Bool("listen"):
		return Listeners, nil
	case c.Bool("operator"):
		return Operators, nil
	}
	return Members, nil
}

// printAll prints the invites to the sealed room that want names and that is open on this machine; "": to the only one.
// As JSON, it prints those to all.
func printAll(out, warnings io.Writer, to Audience, want string, asJSON bool) error {
	rooms, err := hostseal.Rooms(identity.DefaultDir())
	if err != nil && len(rooms) == 0 {
		return err
	}
	if err != nil { // one of the others
		fmt.Fprintln(warnings, "chat: "+text.CleanLines(err.Error()))
	}
	open, closed := Select(rooms, want)
	printer := Printer{To: out, For: to, Addrs: addressesOf}
	switch {
	case len(open) == 0:
		return &NoRoomError{want, closed}
	case asJSON:
		return printer.PrintJSON(open)
	case len(open) > 1:
		if err := printer.PrintList(open); err != nil {
			return err
		}
		return cmdline.UsageErrorf("%d sealed rooms are open here\nhint: name one by its title or ID, e.g. chat invite %.8s", len(open), open[0].ID)
	case term.IsTerminal(int(os.Stdout.Fd())):
		printer.Code = qrcode.ForTerminal(os.Stdout)
	}
	return printer.Print(open[0])
}

// A NoRoomError reports that no sealed room, or none of that name, is open on this machine.
type NoRoomError struct {
	Want   string         // "": any room
	Closed *hostseal.Room // a room of that name that is not open; nil: there is none
}

func (e *NoRoomError) Error() string {
	switch {
	case e.Closed != nil:
		return fmt.Sprintf("the sealed room %s is not open on this machine\nhint: its invites are valid again once you host it", e.Closed.Title)
	case e.Want != "":
		return fmt.Sprintf("no sealed room %q is open on this machine\nhint: chat invite without a name lists those that are", e.Want)
	}
	return "no sealed room is open on this machine\nhint: chat host --secure opens one; a plain room needs no invite"
}

// addressesOf returns the addresses at which others reach a room of this machine, the best one first.
func addressesOf(r hostseal.Room) []string {
	at, err := netip.ParseAddrPort(r.Address)
	if err != nil {
		return []string{r.Address}
	}
	return r.InviteAddrs(endpoint.ReachableAt(at))
}
