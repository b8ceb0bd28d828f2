package web_test

import (
	"bufio"
	"io"
	"net/http"
	"sync"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// People behind one router open the page at the same time, each browser with six connections
// that it keeps. All of them get it, although one address has fewer places.
func TestPageBehindOneAddress(t *testing.T) {
	const people, connections, requests = 20, 6, 2
	r := open(t, relay.Options{}, web.Options{})
	var browsers sync.WaitGroup
	for range people * connections {
		browsers.Go(func() {
			for range requests { // a browser opens a connection again that was closed between two requests
				conn := r.far("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("the page: %v, %v", res, err)
					return
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					t.Errorf("the page broke off: %v", err)
				}
			}
		})
	}
	browsers.Wait()
}
