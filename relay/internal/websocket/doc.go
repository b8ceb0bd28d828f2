// Package websocket is the framing of WebSocket (RFC 6455) on the server's side, for lines of
// text. It does no input or output and starts no goroutine.
//
// A [Decoder] turns the bytes from a client into lines, within the buffer they were read
// into. The Append functions encode the frames to a client.
//
// It differs from the RFC in one point: text may be invalid UTF-8, because the reader of the
// lines cleans them. The reason in a close frame must be valid. And where the RFC leaves a
// choice:
//   - A length may be encoded in more bytes than necessary.
//   - A message may have any length. The reader of the lines limits them.
//   - Binary messages are rejected.
//   - No extension is supported.
package websocket
