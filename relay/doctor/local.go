package doctor

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"
	"time"

	"chat/relay/wire"
)

// Local returns this machine's System, without the fields that have no default.
func Local() System {
	program, err := os.Executable()
	if err != nil {
		program = "chat"
	}
	return System{
		GOOS:      runtime.GOOS,
		Program:   program,
		Root:      os.Geteuid() == 0,
		Port:      wire.DefaultPort,
		Handshake: handshake,
		Now:       time.Now,
		ReadFile:  os.ReadFile,
		Listen: func(ctx context.Context, addr string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", addr)
		},
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		Run: run,
	}
}

func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // English output: the checks parse it
	out, err := cmd.Output()
	return string(out), err
}
