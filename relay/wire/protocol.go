package wire

// Version is the protocol's version. A host answers a hello of a later version
// with its own number; fields and types that one side does not know are ignored.
const Version = 1

// DefaultPort is the TCP port of a room: C-H-A-T on a phone's keypad, then 0.
const DefaultPort = 24280

// MaxJSONLine is more than a line from the host to a program ever has, in bytes
// with its newline: a program's own line has 1 MiB at most whatever a host was
// told, cleaning makes up to three bytes of one, and JSON no more of clean text.
const MaxJSONLine = 4 << 20

// MaxMembers is how many nicks the list in one event names; its count says how
// many there are. Of a longer list ParseEvent takes the first ones.
const MaxMembers = 1000

// MaxHistory is how many old messages one history event has.
const MaxHistory = 200

// What a program puts into one message, so that every host with the usual limits takes
// it: they are 16 KiB and 100 lines of text, in a line of at most 32 KiB. In clean text no
// byte takes more than two in JSON; 256 are for what stands around it.
const (
	MessageBytes = (32<<10 - 256) / 2
	MessageLines = 100
)

// The types of events, from the host to a program.
const (
	TypeWelcome = "welcome" // answer to a hello: you are in
	TypeRoom    = "room"    // answer to a hello with "probe": what this room is
	TypeMessage = "message" // somebody said something
	TypeAction  = "action"  // somebody did something: /me waves
	TypePrivate = "private" // said to one member alone
	TypeJoin    = "join"    // members came
	TypeLeave   = "leave"   // members went
	TypeNick    = "nick"    // a member changed the nick
	TypeTopic   = "topic"   // the room's topic changed, or (without id) what it is
	TypeWho     = "who"     // answer to who: the members
	TypeHistory = "history" // answer to history: what was said before an id, in Events
	TypeNotice  = "notice"  // for this session alone, in words
	TypeGap     = "gap"     // events were missed: this session fell out of the log
	TypeError   = "error"   // a request could not be carried out
	TypeBye     = "bye"     // the last event of a session, and why it ends
	TypePong    = "pong"    // answer to ping
)

// The types of requests, from a program to the host, that are not commands a
// person can type. The commands (nick, me, msg, who, …) are one table in relay.
const (
	TypeHello = "hello" // the first line of a program
	TypeSay   = "say"   // says text to all
	TypePing  = "ping"  // asks for a pong
	TypeSend  = "send"  // says that a file was sent, of which the upload is over

	TypeCommand = "command" // a line as a member types it
	TypeSearch  = "search"  // a command, too: asks for a history of what has certain words
)

// MaxNumber is the highest number in the protocol: IDs, seq. Every language that has
// doubles only reads it exactly (RFC 8259, section 6).
const MaxNumber = 1<<53 - 1

// A Code says in one word why a request failed or a session ended, for programs.
type Code string

// Codes of [TypeError] and [TypeBye] events. An error of a kind marked "last" is
// followed by the end of the connection.
const (
	CodeTooLong    Code = "too_long"        // a line or a message over the limit; it was dropped
	CodeBadJSON    Code = "bad_json"        // the line is not a JSON object of the right shape
	CodeBadRequest Code = "bad_request"     // an argument is missing or makes no sense
	CodeUnknown    Code = "unknown_command" // a person typed a command that is not there
	CodeBadNick    Code = "bad_nick"        // the nick breaks a rule
	CodeNoSuchNick Code = "no_such_nick"    // nobody here is called that
	CodeNoSuchFile Code = "no_such_file"    // the host has no upload of that id, or not all of it
	CodeNotAllowed Code = "not_allowed"     // only the hosting person may do that
	CodeMuted      Code = "muted"           // the hosting person muted you
	CodeDuplicate  Code = "duplicate"       // seq is not above the last one taken: it is in the log already
	CodeBusy       Code = "busy"            // too many private messages wait for one whose connection is lost
	CodeNotStored  Code = "not_stored"      // the host cannot keep it (a full disk): say it again later, with the same seq
	CodeNotRead    Code = "not_read"        // the host cannot read its history
	CodeVersion    Code = "bad_version"     // last: the hello names no version the host can speak
	CodeWrongRoom  Code = "wrong_room"      // last: the hello names another room
	CodeFull       Code = "full"            // last: too many sessions, in all or from one address
	CodeBanned     Code = "banned"          // last: the hosting person banned this session or address
	CodeQuit       Code = "quit"            // bye: as you asked
	CodeKicked     Code = "kicked"          // bye: the hosting person closed the session
	CodeReplaced   Code = "replaced"        // bye: the same token said hello on another connection
	CodeShutdown   Code = "shutdown"        // bye: the room closes
	CodeFirstLine  Code = "first_line"      // bye: the first line did not end in time
)

// Final reports whether a client that gets code should stay away: the same
// attempt again would end the same way.
func (c Code) Final() bool {
	switch c {
	case CodeVersion, CodeWrongRoom, CodeBanned, CodeQuit, CodeKicked, CodeReplaced:
		return true
	}
	return false
}
