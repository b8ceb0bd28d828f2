package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"chat/relay/seal"
)

const (
	// largePadding makes the request of ProbeLarge larger than a packet of Ethernet, 1,500 bytes.
	largePadding = 2000
	// largeAnswer is how many bytes of the answer are read: it takes more than one packet too.
	largeAnswer = 2000
)

// ProbeLarge checks that large packets reach the host at addr ("host:port"), and come back: it requests the
// page with more than 1,500 bytes. The page is as large; a host that serves no page answers
// with an error, and then only the way there is checked. It returns nil if an answer came, whatever it
// says. It takes at most two seconds, unless ctx has a deadline.
func ProbeLarge(ctx context.Context, addr string) error {
	return onProbe(ctx, addr, false, func(conn net.Conn, _ seal.Pin) error {
		// In one write: the first line is in the first packet, which is full.
		_, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nX-Padding: %s\r\n\r\n", addr, strings.Repeat("x", largePadding))
		if err != nil {
			return err
		}
		n, err := io.CopyN(io.Discard, conn, largeAnswer)
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		return err
	})
}
