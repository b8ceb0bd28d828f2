// Package websocket is the framing of WebSocket (RFC 6455) on the server's side, for lines of
// text. It does no input or output and starts no goroutine.
//
// A [Decoder] turns the bytes that came from a client into lines, within the buffer they
// were read into. The Append functions make the frames that go to a client.
//
// What the RFC leaves open:
//   - Text is not checked for UTF-8: whoever reads the lines cleans them. The reason in a
//     close frame is checked.
//   - A length in more bytes than it needs is accepted: only senders are held to the shortest.
//   - A message may have any length. The reader of the lines limits them.
//   - Binary messages are not accepted. No extension or subprotocol is negotiated.
package websocket
