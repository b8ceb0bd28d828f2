package seal

// ExporterLabel is the label for the keying material of a TLS connection that a client's key
// signs (RFC 8446, section 7.5), with an empty context. It is different on each connection, and
// for each of the two connections of someone in the middle.
const ExporterLabel = "EXPORTER-chat-v1"

// BindingLength is the length of that keying material, and of a challenge that a page signs
// instead, in bytes.
const BindingLength = 32

// SignedData returns the data that a client signs to prove that it has its key, in the room with
// that ID: on the connection with the keying material binding, or as the answer to a challenge.
// An SSH key that signs it signs nothing of SSH: there, the data begin with a number, which would be
// huge, or with SSHSIG.
func SignedData(room string, binding []byte) []byte {
	data := append([]byte("chat-v1\x00"+room), 0)
	return append(data, binding...)
}
