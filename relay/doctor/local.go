package doctor

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"

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
		JoinGroup: joinGroup,
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

func joinGroup(v6 bool) error {
	network, group := "udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353} // RFC 6762 3
	if v6 {
		network, group = "udp6", &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
	}
	conn, err := net.ListenMulticastUDP(network, nil, group)
	if err != nil {
		return err
	}
	return conn.Close()
}
