package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"chat/relay/client"
	"chat/relay/seal"
)

// Questions asks the user of a terminal what a client needs to know about a sealed room. in has the
// lines that the user types; hide stops the terminal from showing them until show is called.
func Questions(in *Input, out io.Writer, hide func() (show func(), err error)) client.Questions {
	q := &questions{in, out, hide}
	return client.Questions{Trust: q.trust, AskSecret: q.askSecret}
}

// questions is what Questions has. It does not change.
type questions struct {
	in   *Input
	out  io.Writer
	hide func() (show func(), err error)
}

// trust asks whether the pin is that of the host. Only a yes says so.
func (q *questions) trust(ctx context.Context, h client.Host) error {
	room := "The room at " + h.Addr
	if h.Title != "" {
		room = h.Title + ", at " + h.Addr + ","
	}
	fmt.Fprintf(q.out, "%s is sealed, and you join it for the first time. The pin of its host:\n\n    %s\n\n", room, h.Pin.Groups())
	if len(h.Names) > 0 {
		fmt.Fprintf(q.out, "You know this pin: %s.\n", strings.Join(h.Names, ", "))
	}
	if h.Namesake.Pin != "" {
		fmt.Fprintf(q.out, "Warning: you know a room of this title with another pin, %s.\n", h.Namesake.Pin.Groups())
	}
	fmt.Fprint(q.out, "Is this the pin that the host shows? [y/N] ")
	line, err := q.in.Line(ctx)
	if err != nil {
		fmt.Fprintln(q.out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return client.ErrNotTrusted
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return client.ErrNotTrusted
	}
	return nil
}

// errNoSecret is the error of a user who types no secret.
var errNoSecret = errors.New("no secret was typed")

// askSecret asks for the secret of a room, or its whole invite. The terminal shows nothing of what is typed, from before the
// question on: it may be answered at once.
func (q *questions) askSecret(ctx context.Context, about client.SecretQuestion) (seal.Secret, error) {
	show, err := q.hide()
	if err != nil {
		return "", fmt.Errorf("hide what you type: %w", err)
	}
	defer show()
	room := about.Title
	if room == "" {
		room = "the room"
	}
	if about.Tries > 0 {
		fmt.Fprintln(q.out, "That secret is wrong.")
	}
	for {
		fmt.Fprintf(q.out, "Secret of %s, or its invite (Enter if you enter by key): ", room)
		line, err := q.in.Line(ctx)
		fmt.Fprintln(q.out)
		if errors.Is(err, io.EOF) {
			return "", errNoSecret
		}
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(line) == "" {
			return "", nil
		}
		secret, err := seal.SecretIn(line, about.Pin)
		if err == nil {
			return secret, nil
		}
		fmt.Fprintln(q.out, "That cannot be it:", err)
	}
}
