package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"chat/relay/errno"
	"chat/relay/text"
)

const (
	// dialTimeout is how long connecting to a host on this machine may take, responseTimeout how long its answer to
	// anything but a backup.
	dialTimeout     = 2 * time.Second
	responseTimeout = 30 * time.Second

	// maxResponse bounds a response in bytes: a room of 100,000 connections has about 20 MB of them.
	maxResponse = 64 << 20
)

// A Client sends requests to the host of a room on this machine. It is safe for concurrent use.
type Client struct {
	entry Entry       // fixed
	http  http.Client // likewise
}

// NewClient returns a client of the host at e.
func NewClient(e Entry) *Client {
	c := &Client{entry: e}
	c.http.Transport = &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return e.dial(&net.Dialer{Timeout: dialTimeout})
		},
		DisableKeepAlives: true, // few requests; no connection is left when the host closes
	}
	return c
}

// Entry returns where the host is.
func (c *Client) Entry() Entry { return c.entry }

// Get sends a request that changes nothing. It returns the response, and decodes it into to, unless that is nil. The
// error of a request that the host refused is an [*Error].
func (c *Client) Get(ctx context.Context, path string, to any) (json.RawMessage, error) {
	return c.send(ctx, http.MethodGet, path, nil, to)
}

// Post sends a request that may change the room, like Get.
func (c *Client) Post(ctx context.Context, path string, body, to any) (json.RawMessage, error) {
	return c.send(ctx, http.MethodPost, path, body, to)
}

func (c *Client) send(ctx context.Context, method, path string, body, to any) (json.RawMessage, error) {
	if path != "backup" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, responseTimeout)
		defer cancel()
	}
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	host := c.entry.Address
	if host == "" {
		host = "chat"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+"/v1/"+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if c.entry.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.entry.Token)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response.StatusCode, b)
	}
	if to != nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil || !json.Valid(b) {
		return nil, errors.New("the answer is not one of chat host\nhint: use the version of chat that hosts the room")
	}
	return b, nil
}

// refusal returns the error in a response.
func refusal(status int, b []byte) error {
	e := &Error{Status: status}
	if json.Unmarshal(b, e) != nil || e.Text == "" {
		e.Text = fmt.Sprintf("the host answers with the HTTP status %d", status)
	}
	e.Text, e.Hint = text.Clean(e.Text), text.Clean(e.Hint)
	return e
}

// An UnreachableError is the error of a host that does not answer.
type UnreachableError struct {
	Place string // the path of the socket, or the address
	Err   error
}

func (e *UnreachableError) Error() string {
	words := fmt.Sprintf("cannot reach the host at %s: %v", e.Place, e.cause())
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return words + "\nhint: run chat admin as the user who runs the host, or as root: sudo chat admin …"
	case errors.Is(e.Err, fs.ErrNotExist), errno.Refused(e.Err):
		return words + "\nhint: the host is not running; chat admin without arguments lists the rooms that are open"
	case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, os.ErrDeadlineExceeded):
		return words + "\nhint: the host is very busy, or stopped; try again"
	}
	return words + "\nhint: try again in a few seconds; if other programs hold its socket, the host gives up on them"
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// cause returns the innermost error: those around it name the request.
func (e *UnreachableError) cause() error {
	err := e.Err
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func (c *Client) unreachable(err error) error {
	place := c.entry.Socket
	if c.entry.Address != "" || place == "" {
		place = c.entry.Address
	}
	return &UnreachableError{place, err}
}

// isDead reports whether err says that no host runs at an entry any more.
func isDead(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errno.Refused(err)
}

// AwaitEnd waits until the host has closed its end.
func (c *Client) AwaitEnd(ctx context.Context) error {
	for {
		conn, err := c.entry.dial(&net.Dialer{Timeout: dialTimeout})
		if err != nil {
			return nil
		}
		conn.Close()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the host of %s has not ended yet\nhint: the room closes once its members have the last messages, or after 2 s; see the log of the host", text.Title(c.entry.Title))
		}
	}
}

// At returns the client of the host at path: a socket, or a file with the address of a port.
func At(path string) (*Client, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &UnreachableError{path, err}
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder\nhint: the socket of a room is beside its history file: FILE%s", path, suffix)
	case info.Mode().IsRegular():
		e, err := readEntry(path)
		if err != nil {
			if _, err := os.Stat(path + suffix); err == nil && !strings.HasSuffix(path, suffix) {
				return nil, fmt.Errorf("%s is no socket\nhint: --socket %[1]s%s", path, suffix)
			}
			return nil, fmt.Errorf("%w\nhint: the socket of a room is beside its history file: FILE%s", err, suffix)
		}
		return NewClient(e), nil
	}
	return NewClient(Entry{Socket: path}), nil
}
