// Package history is a room's log: its events in one order, each with the next id, each
// encoded once.
//
// A [Log] keeps the last events in memory. A [Cursor] is one reader's position in it: each
// session has one and copies the log from there to its socket, as many events in one write as
// there are. The log does not know its readers, so a slow reader costs no memory and delays no
// one. If it falls behind the oldest event that is kept, it learns how many it missed.
// [Log.Before] and [Log.Search] read older messages.
//
// With a [File], all events are on disk, as far back as its [Keep] allows. Readers that fall out
// of memory continue from disk, and no one reads an event before it is committed. [ReadFile]
// reads a file without its host. A file also has hidden events, which only [File.Replay]
// returns, and the room's state, which a [Fold] computes from all events.
//
// Ids start at 1 and grow by one with each event. A Log is safe for concurrent use; a Cursor
// belongs to one goroutine at a time.
package history
