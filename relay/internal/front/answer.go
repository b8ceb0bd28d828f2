package front

import "time"

// This file lets an HTTP request whose message is with the room have its answer, although its connection
// is to end. Without the answer a script cannot know whether the message was sent.

const (
	// endedAnswer is for how long a connection waits for an answer after the room has closed: the session
	// that sends the message takes up to 2 s, and the answer a moment.
	endedAnswer = 3 * time.Second

	// yieldedAnswer is likewise for a connection whose place went to another one. The message may wait for
	// the disk for 30 s.
	yieldedAnswer = 31 * time.Second
)

// NoteMessage notes that the room has the message of the current HTTP request.
func (c *Conn) NoteMessage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isSending = true
}

// answered notes that an HTTP request was answered, and closes the connection if that was all it waited
// for.
func (c *Conn) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isSending = false; c.isEnding || c.yields != nil {
		c.Conn.Close() // the handler cleans up
	}
}

// closeHandledLocked closes a connection that the HTTP handler has, at once or after the answer to a
// message, but within the limit.
func (c *Conn) closeHandledLocked(limit time.Duration) {
	if !c.isSending {
		c.Conn.Close() // the handler cleans up
		return
	}
	time.AfterFunc(limit, func() { c.Conn.Close() })
}
