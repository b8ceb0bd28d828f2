//go:build unix

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chat/scripts/natsserver"
)

// cmdNATS: nats puts nats-server into the PATH. Without it the script is skipped.
func cmdNATS(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 0, "nats")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // it may have to be built
	defer cancel()
	path, err := natsserver.Binary(ctx)
	switch {
	case err == nil:
		stageOf(ts).setenv(ts, "PATH", filepath.Dir(path)+string(os.PathListSeparator)+ts.Getenv("PATH"))
	case os.Getenv("CI") == "true":
		ts.Fatalf("required with CI=true: nats-server: %v", err)
	default:
		stageOf(ts).t.Skip("no nats-server: " + err.Error())
	}
}

// cmdCluster: cluster [-await] COMMAND [ARG]... runs scripts/cluster on the folder cluster of the script, with -await until it
// succeeds: a server that has just started may be healthy, and then not. What runs when the script ends is killed. The relays have
// the ports $RELAY1, $RELAY2 and $RELAY3.
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	awaited := len(args) > 0 && args[0] == "-await"
	if awaited {
		args = args[1:]
	}
	usage(ts, len(args) > 0 && !(neg && awaited), "cluster [-await] COMMAND [ARG]...")
	program, err := filepath.Abs("../cluster")
	ts.Check(err)
	dir := ts.MkAbs("cluster")
	s := stageOf(ts)
	if ts.Getenv("RELAY1") == "" {
		base, err := freePorts()
		ts.Check(err)
		s.setenv(ts, "CHAT_CLUSTER_PORT", fmt.Sprint(base))
		s.setenv(ts, "CHAT", "chat") // not one that the script builds
		for n := 1; n <= 3; n++ {
			s.setenv(ts, fmt.Sprint("RELAY", n), fmt.Sprint(base+n))
		}
		ts.Defer(func() {
			if out, err := exec.Command(program, "kill", "--dir", dir).CombinedOutput(); err != nil && !strings.Contains(string(out), "no cluster") {
				ts.Logf("end the cluster: %v\n%s", err, out)
			}
		})
	}
	run := func() bool {
		err = ts.Exec(program, append([]string{args[0], "--dir", dir}, args[1:]...)...)
		return err == nil
	}
	if awaited {
		await(ts, "scripts/cluster "+args[0], run)
	} else {
		run()
	}
	if neg == (err == nil) {
		s.show(ts)
		ts.Fatalf("scripts/cluster %s: %v", strings.Join(args, " "), err)
	}
}

// freePorts returns a number, so that the ports that scripts/cluster uses from there on are free.
func freePorts() (base int, err error) {
	for range 100 {
		base = 20_000 + 40*rand.IntN(250) // below the ports that systems choose themselves
		if err = areFree(base); err == nil {
			return base, nil
		}
	}
	return 0, err
}

func areFree(base int) error {
	for _, group := range []int{0, 10, 20, 30} {
		for n := 1; n <= 3; n++ {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+group+n))
			if err != nil {
				return err
			}
			ln.Close()
		}
	}
	return nil
}
