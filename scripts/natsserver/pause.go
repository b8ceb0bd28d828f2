//go:build unix

package natsserver

import (
	"net/http"
	"syscall"
	"time"
)

// Pause stops the server's process where it is, as SIGSTOP does: its connections stay open. It returns when the server does
// not answer any more.
func (s *Server) Pause() error {
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	client := http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		resp, err := client.Get("http://" + s.site + "/healthz")
		if err != nil {
			return nil
		}
		resp.Body.Close()
	}
}

// Resume lets a paused server continue.
func (s *Server) Resume() error { return s.process.Process.Signal(syscall.SIGCONT) }
