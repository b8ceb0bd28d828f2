package natsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Server is a nats-server with JetStream on loopback. Its methods are for one goroutine at a time.
type Server struct {
	Name string
	addr string // host:port for clients
	site string // host:port of its HTTP port for monitoring
	conf string // its file of settings
	log  string // its file of log lines
	path string // of the program
	data string // the folder of its data

	process *exec.Cmd     // nil: it does not run
	ended   chan struct{} // closed when process has ended
}

// A Cluster is servers that know each other; a single server is one, too.
type Cluster struct {
	Servers []*Server
}

// Start starts n servers that keep their data in dir, and returns when they are ready. Servers of a cluster find each other; a
// single one is not clustered. They do not name each other to clients, which know the addresses, perhaps those of proxies. extra are further lines of each server's settings.
func Start(ctx context.Context, dir string, n int, extra ...string) (*Cluster, error) {
	path, err := Binary(ctx)
	if err != nil {
		return nil, err
	}
	addrs, err := freeAddrs(3 * n)
	if err != nil {
		return nil, err
	}
	var routes []string
	for _, addr := range addrs[2*n:] {
		routes = append(routes, "nats-route://"+addr)
	}
	c := new(Cluster)
	for i := range n {
		s := &Server{Name: fmt.Sprintf("n%d", i+1), addr: addrs[i], site: addrs[n+i], path: path}
		s.conf = filepath.Join(dir, s.Name+".conf")
		s.data = filepath.Join(dir, s.Name)
		s.log = filepath.Join(dir, s.Name+".log")
		lines := []string{
			"server_name: " + s.Name, "listen: " + s.addr, "http: " + s.site,
			fmt.Sprintf("jetstream { store_dir: %q }", filepath.ToSlash(s.data)),
		}
		if n > 1 {
			lines = append(lines, fmt.Sprintf("cluster { name: chat, listen: %q, routes: [%s], no_advertise: true }", addrs[2*n+i], strings.Join(routes, ", ")))
		}
		if err := os.WriteFile(s.conf, []byte(strings.Join(append(lines, extra...), "\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
		c.Servers = append(c.Servers, s)
	}
	for _, s := range c.Servers {
		if err := s.Start(); err != nil {
			c.Stop()
			return nil, err
		}
	}
	if err := c.Ready(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// freeAddrs returns n addresses on loopback whose ports are free.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // when all are found, so that no port is found twice
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// URLs returns the URLs for clients.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return urls
}

// Ready waits until all servers report that they, and their part of the cluster, are up.
func (c *Cluster) Ready(ctx context.Context) error {
	for _, s := range c.Servers {
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop kills all servers that run.
func (c *Cluster) Stop() {
	for _, s := range c.Servers {
		s.Kill()
	}
}

// Named returns the server with a name; nil if there is none.
func (c *Cluster) Named(name string) *Server {
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Addr returns the address for clients, host:port.
func (s *Server) Addr() string { return s.addr }

// URL returns the URL for clients.
func (s *Server) URL() string { return "nats://" + s.addr }

// Data returns the folder in which the server keeps its data. It can be replaced while the server does not run.
func (s *Server) Data() string { return s.data }

// PID returns the ID of the server's process, which runs.
func (s *Server) PID() int { return s.process.Process.Pid }

// Start starts the server, if it does not run. It does not wait until it is ready.
func (s *Server) Start() error {
	if s.process != nil {
		return nil
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.path, "-c", s.conf)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	s.process, s.ended = cmd, make(chan struct{})
	go func() {
		cmd.Wait()
		close(s.ended)
	}()
	return nil
}

// ready waits until the server's HTTP port says that it is healthy.
func (s *Server) ready(ctx context.Context) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if resp, err := client.Get("http://" + s.site + "/healthz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nats-server %s is not ready: %w", s.Name, ctx.Err())
		case <-s.ended:
			log, _ := os.ReadFile(s.log) // says why, if it can be read
			return fmt.Errorf("nats-server %s has ended: %s", s.Name, log[max(0, len(log)-2000):])
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the server without a chance to clean up, as kill -9 does, and waits for its end.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.process.Process.Kill()
	<-s.ended
	s.process = nil
}

// Stop ends the server in order, and waits for it.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop nats-server %s: %w", s.Name, err)
	}
	<-s.ended
	s.process = nil
	return nil
}
