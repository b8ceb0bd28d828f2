package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/hint"
	"chat/relay/journal"
)

// Errors of Open. Some are also errors of other methods.
var (
	ErrName        = errors.New("the name of a room in a cluster has 1 to 64 letters, digits, - and _")
	ErrUnreachable = errors.New("no NATS server can be reached")
	ErrCredentials = errors.New("the NATS servers do not accept these credentials")
	ErrCredsFile   = errors.New("cannot use the file of credentials")
	ErrTLS         = errors.New("no agreement on TLS with the NATS servers")
	ErrPermission  = errors.New("these credentials have no permission for the room")
	ErrNoJetStream = errors.New("the NATS servers have no JetStream")
	ErrNotReady    = errors.New("JetStream does not answer")
	ErrReplicas    = errors.New("too few NATS servers for the replicas")
	ErrPayload     = errors.New("the NATS servers accept only small messages")
	ErrForeign     = errors.New("there is a stream of this name that is not a chat room")
	ErrNewer       = errors.New("a newer version of chat wrote this room") // Read, too
	ErrGone        = errors.New("the room's stream has been deleted")      // Append and Read
	ErrLost        = errors.New("the room's stream has lost records")      // Append and Read: after a power cut, for example
	errClosed      = errors.New("the connection to the cluster is closed")
	ErrNoFile      = errors.New("no such file in the cluster")
	errExists      = errors.New("another file has this name")
	errTooLarge    = errors.New("too large for the cluster")
)

// Remedies are the hints for the errors of this package.
var Remedies = []hint.Remedy{
	{Err: ErrName, Hint: "choose another name with --room"},
	{Err: ErrPermission, Hint: "allow publishing to $JS.API.>, chat.ROOM.> and $KV.>, and subscribing to _INBOX.>"},
	{Err: ErrCredsFile, Hint: "name a file of NATS credentials with --cluster-creds, as nsc generate creds makes it"},
	{Err: ErrTLS, Hint: "use tls:// if the servers have TLS, or else nats://; this machine has to trust the CA of their certificates"},
	{Err: ErrCredentials, Hint: "check --cluster-creds and the users of the NATS servers"},
	{Err: ErrNoJetStream, Hint: "start nats-server with -js, and enable JetStream for this account"},
	{Err: ErrUnreachable, Hint: "check the addresses of --cluster and that nats-server runs there"},
	{Err: ErrNotReady, Hint: "a cluster needs more than half of its servers; check that they run and know each other"},
	{Err: ErrReplicas, Hint: "start more servers, or use fewer replicas: --replicas 1"},
	{Err: ErrPayload, Hint: "remove max_payload from the settings of nats-server"},
	{Err: ErrForeign, Hint: "choose another name with --room"},
	{Err: ErrNewer, Hint: "update chat on this machine"},
	{Err: ErrGone, Hint: "start the relays of this room again; they begin with an empty room"},
	{Err: journal.ErrTrimmed, Hint: "start this relay with a new file: --history"},
	{Err: ErrLost, Hint: "start the relays of this room again; they begin with the records that the servers still have"},
}

// Error codes of the JetStream API that nats.go has no names for.
const (
	codeNoPeers    jetstream.ErrorCode = 10005 // no suitable servers for the replicas
	codeInvalid    jetstream.ErrorCode = 10052 // a stream cannot be like this
	codeOverlap    jetstream.ErrorCode = 10065 // another stream has these subjects
	codeNotCluster jetstream.ErrorCode = 10074 // replicas, but only one server
)

// code returns the code with which JetStream rejected a request; 0: err is something else.
func code(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}

// explain wraps err with an error of this package if the reason is known. A request without
// permission is not answered; the server's reason arrives on the side, in denied.
func explain(err error, denied string) error {
	if errors.Is(err, ErrPermission) {
		return err
	}
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &untrusted), errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		return fmt.Errorf("%w: %w", ErrTLS, err)
	case denied != "" && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)):
		return fmt.Errorf("%w: %s", ErrPermission, denied)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("%w: %w", ErrCredentials, err)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, jetstream.ErrConnectionClosed):
		return errClosed
	case errors.Is(err, errGivenUp) && errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: %w", ErrNoJetStream, err)
	case code(err) == codeNoPeers, code(err) == codeNotCluster:
		return fmt.Errorf("%w: %w", ErrReplicas, err)
	case code(err) == codeOverlap:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return err
}

// final says whether trying again is of no use.
func final(err error) bool {
	for _, e := range []error{ErrPermission, ErrCredentials, ErrReplicas, ErrForeign, ErrNewer, ErrPayload, errClosed, errTooLarge, errNotMade, errGivenUp, ErrGone, ErrNoFile} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
