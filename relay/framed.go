package relay

import "chat/relay/internal/session"

// A FramedConn is a connection on which lines are written in frames, as a browser's
// WebSocket is: see [Server.ServeConn].
type FramedConn = session.FramedConn
