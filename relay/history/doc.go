// Package history is a room's log: everything that was said and everything that
// happened, in one order, each with the next id, encoded once.
//
// A [Log] keeps the last events in memory. A [Cursor] is one reader's place in
// it; each session has one and copies the log from there to its socket, as many
// events in one write as have come meanwhile. The log knows nothing of its
// readers: a slow one costs no memory of its own and holds nobody up. It falls
// behind, and where it falls out of what is kept it is told how much it missed.
// [Log.Before] reads back, for those who want to see what was said earlier.
//
// With a [File] all events are on disk, as far back as its [Keep] lets them be: readers
// that fall out of memory go on there, and nobody reads an event before it is written for
// good. [ReadFile] reads a file without its host.
//
// Ids begin at 1 and grow by one with each event. A Log is safe for concurrent
// use; a Cursor belongs to one goroutine at a time.
package history
