package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"chat/relay/openfile"
	"chat/relay/sshkey"
)

// agentTime is how long the agent may take to list its keys. To sign it takes as long as the
// user needs to touch a security key.
const (
	agentTime     = 5 * time.Second
	agentSignTime = time.Minute
)

// errNoAgent is the error if there is no agent.
var errNoAgent = errors.New("no SSH agent runs: SSH_AUTH_SOCK is not set\nhint: start one, eval \"$(ssh-agent)\"; ssh-add")

// agentKey returns a key that the SSH agent has: that of a file with the public key, or the first usable one
// if publicFile is "".
func agentKey(publicFile string) (signingKey, error) {
	var wanted ssh.PublicKey
	if publicFile != "" {
		var err error
		if wanted, err = readPublic(publicFile); err != nil {
			return signingKey{}, err
		}
	}
	keys, err := agentKeys()
	if err != nil {
		return signingKey{}, err
	}
	for _, key := range keys {
		public, err := ssh.ParsePublicKey(key.Blob)
		if err != nil || sshkey.Check(public) != nil || wanted != nil && !bytes.Equal(wanted.Marshal(), key.Blob) {
			continue
		}
		return newSigningKey(public, func(data []byte) (*ssh.Signature, error) { return signByAgent(public, data) }), nil
	}
	if wanted != nil {
		return signingKey{}, fmt.Errorf("the SSH agent does not have the private key of %s\nhint: add it with ssh-add", publicFile)
	}
	return signingKey{}, errors.New("the SSH agent has no usable key\nhint: add one with ssh-add")
}

// readPublic reads a file with a public key.
func readPublic(path string) (ssh.PublicKey, error) {
	f, err := openfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err == nil {
		err = sshkey.Check(key)
	} else {
		err = errors.New("the file has no public key")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// agentKeys lists the keys of the agent.
func agentKeys() ([]*agent.Key, error) {
	conn, err := dialAgent(agentTime)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	keys, err := agent.NewClient(conn).List()
	if err != nil {
		return nil, fmt.Errorf("ask the SSH agent for its keys: %w", err)
	}
	return keys, nil
}

// signByAgent signs on a new connection to the agent, so that a client that stays for days needs
// none meanwhile.
func signByAgent(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	conn, err := dialAgent(agentSignTime)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	flags := agent.SignatureFlags(0)
	if key.Type() == ssh.KeyAlgoRSA {
		flags = agent.SignatureFlagRsaSha512
	}
	return agent.NewClient(conn).SignWithFlags(key, data, flags)
}
