package identity

import (
	"fmt"
	"io"
	"os"
	"time"
)

// agentPipe is where the agent of Windows listens.
const agentPipe = `\\.\pipe\openssh-ssh-agent`

// dialAgent connects to the SSH agent of Windows. A pipe opened as a file has no deadlines.
func dialAgent(time.Duration) (io.ReadWriteCloser, error) {
	f, err := os.OpenFile(agentPipe, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("connect to the SSH agent: %w\nhint: start it, Start-Service ssh-agent; ssh-add", err)
	}
	return f, nil
}
