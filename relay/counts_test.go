package relay_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"chat/relay"
	"chat/relay/web"
)

// A page's WebSocket counts as the one connection that it was asked for on, until it is
// closed: by the page, by the room, or because its session ends.
func TestWebSocketIsCountedOnce(t *testing.T) {
	const address = "10.66.1.2"
	synctest.Test(t, func(t *testing.T) {
		var page *web.Handler
		srv := relay.New(relay.Options{MaxPerAddress: 2, Web: func(conn net.Conn) { page.StartServing(conn) }})
		page = web.New(srv, web.Options{})
		ctx, closeRoom := context.WithCancel(t.Context())
		var served sync.WaitGroup
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			served.Go(func() { srv.ServeConn(ctx, addressed{theirs, &net.TCPAddr{IP: net.ParseIP(address), Port: 1}}) })
			return ours, nil
		}}
		counted := func(what string, sessions int, opened uint64) {
			t.Helper()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if s := srv.Stats(); s.Sessions != sessions || s.Opened != opened {
				t.Errorf("%s: %d connections are open, of %d there were; want %d of %d", what, s.Sessions, s.Opened, sessions, opened)
			}
		}
		open := func() *websocket.Conn {
			t.Helper()
			ws, _, err := websocket.Dial(ctx, "ws://10.0.0.1/socket", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
			if err != nil {
				t.Fatal(err)
			}
			if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"hello","nick":"page"}`)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := ws.Read(ctx); err != nil {
				t.Fatal(err)
			}
			return ws
		}
		first := open()
		counted("the page is in the room", 1, 1)
		second := open()
		counted("two pages are", 2, 2)
		third := joinFrom(t, srv, address)
		third.next("! too many connections from " + address + " (2); close one first")
		third.closed()
		first.CloseNow()
		counted("one page went", 1, 2)
		if err := second.Write(ctx, websocket.MessageText, []byte(`{"type":"quit"}`)); err != nil {
			t.Error(err)
		}
		for {
			if _, _, err := second.Read(ctx); err != nil {
				break
			}
		}
		counted("the other quit", 0, 2)
		last := open()
		counted("one came again", 1, 3)
		closeRoom()
		served.Wait()
		counted("the room closed", 0, 3)
		last.CloseNow()
		transport.CloseIdleConnections()
		page.Close()
	})
}
