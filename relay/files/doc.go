// Package files keeps what people send each other: in a temporary folder until the host
// ends, or in one that stays.
//
// A file comes as an [Upload], in one piece or several, over as many connections as it
// takes. When all of it is there, and is what its sender says it is, it waits under
// the upload's id, which is a secret between the sender and the host, until [Store.Sent]
// makes it one that everybody can have by its number. What does not come on, and what
// nobody says in the room, goes after a while.
//
// In the folder a file is called NUMBER-NAME, and while it comes ID.part. A folder that stays
// has an index of them besides: see index. What else is in the folder is left alone.
//
// An upload belongs to one request at a time. The next one cuts it off and goes on from
// what is on disk: the connection of the one before has broken, more often than not, and
// the host has not noticed yet.
package files
