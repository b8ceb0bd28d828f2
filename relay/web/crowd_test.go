package web_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chat/relay"
	"chat/relay/web"
	"chat/relay/wire"
)

const pageRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// A pageAnswer is the answer to a pageRequest.
type pageAnswer struct {
	conn net.Conn
	err  error // why it is not the whole page
}

// pageOn reads the answer to a pageRequest.
func pageOn(conn net.Conn) pageAnswer {
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	return pageAnswer{conn, err}
}

// People behind one router open the page at the same time, each browser with six connections
// that it keeps. All of them get it, although one address has fewer places.
func TestPageBehindOneAddress(t *testing.T) {
	const people, connections, requests = 20, 6, 2
	r := open(t, relay.Options{}, web.Options{})
	var browsers sync.WaitGroup
	for range people * connections {
		browsers.Go(func() {
			page := pageOn(r.far(pageRequest))
			for range requests - 1 {
				io.WriteString(page.conn, pageRequest) // pageOn notices that it failed
				if next := pageOn(page.conn); next.err == nil {
					continue
				}
				page.conn.Close() // the host had closed it between two requests: a browser opens another
				page = pageOn(r.far(pageRequest))
			}
			if page.err != nil {
				t.Errorf("the page: %v", page.err)
			}
		})
	}
	browsers.Wait()
}

// A member who reloads the page in a full room gets the page, and with its token a place. On the same
// connection nothing else is served.
func TestReloadInAFullRoom(t *testing.T) {
	t.Parallel()
	const hello = `{"type":"hello","nick":"bob","token":"bobs-own-token"}`
	r := open(t, relay.Options{MaxSessions: 3, MaxPerAddress: 3}, web.Options{})
	bob := r.browser(hello)
	bob.expect(wire.TypeWelcome)
	bob.send(`{"type":"say","seq":1,"text":"soup"}`)
	bob.expect(wire.TypeMessage)
	bob.ws.CloseNow()
	await(t, "bob to leave", func() bool { return r.srv.Stats().Sessions == 0 })
	for range 4 { // one of them gets bob's place
		r.raw(`{"type":"hello"}` + "\n")
	}
	conn := r.raw("")
	lines := bufio.NewReader(conn)
	ask := func(request string) (*http.Response, string) {
		io.WriteString(conn, request+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, err := http.ReadResponse(lines, nil)
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		return res, string(body)
	}
	for _, path := range []string{"/", "/page/main.js", "/room", "/commands"} {
		if res, body := ask("GET " + path); res.StatusCode != http.StatusOK {
			t.Errorf("%s in a full room: %s %s", path, res.Status, body)
		}
	}
	for _, request := range []string{"GET /messages", "GET /metrics", "GET /files/x"} {
		if res, body := ask(request); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "the room is full") {
			t.Errorf("%s in a full room: %s %s", request, res.Status, body)
		}
	}
	r.browser(hello).expect(wire.TypeWelcome)
}
