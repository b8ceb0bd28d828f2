package wire

// Version is the protocol's version. A host answers a hello of a later version
// with its own number. Both sides ignore fields and types that they do not know.
const Version = 1

// DefaultPort is the TCP port of a room: C-H-A-T on a phone's keypad, then 0.
const DefaultPort = 24280

// MaxJSONLine bounds a line from the host to a program, in bytes with its newline. No
// line is that long: a program's own line has at most 1 MiB, whatever the host's options;
// cleaning replaces one byte by up to three, and JSON adds no more to clean text.
const MaxJSONLine = 4 << 20

// MaxMembers is the number of nicks that one event lists at most; its Count has the
// total. ParseEvent truncates a longer list.
const MaxMembers = 1000

// MaxHistory is the number of events in one history event at most.
const MaxHistory = 200

// MessageBytes and MessageLines bound a message that every host with the default limits
// accepts: 16 KiB and 100 lines of text, in a line of at most 32 KiB. In JSON, clean text
// takes at most twice its bytes; 256 bytes are for the other fields.
const (
	MessageBytes = (32<<10 - 256) / 2
	MessageLines = 100
)

// The types of events, from the host to a program.
const (
	TypeWelcome  = "welcome"  // the answer to a hello: the client is a member
	TypeRoom     = "room"     // the answer to a hello with "probe": the room's description
	TypeMessage  = "message"  // a message to the room
	TypeAction   = "action"   // an action: /me waves
	TypePrivate  = "private"  // a private message
	TypeJoin     = "join"     // members joined
	TypeLeave    = "leave"    // members left
	TypeNick     = "nick"     // a member changed its nick
	TypeTopic    = "topic"    // the topic changed; without an ID, the answer to topic
	TypeWho      = "who"      // the answer to who: the members
	TypeHistory  = "history"  // the answer to history and search: older messages, in Events
	TypeNotice   = "notice"   // information for this session only, in words
	TypeGap      = "gap"      // the session missed events that the log no longer has
	TypeError    = "error"    // a request was rejected
	TypeBye      = "bye"      // the last event of a session, and why it ends
	TypePong     = "pong"     // the answer to ping
	TypeInvite   = "invite"   // of a sealed room: its secret was replaced; also a command
	TypeOperator = "operator" // an act of an operator, other than a leave or a topic; Text follows its nick in a sentence
	TypeAuth     = "auth"     // of a sealed room: a step of the authentication; also a request
	TypeRelays   = "relays"   // the hosts that serve the room are others now
	TypeOmitted  = "omitted"  // the place of an event that an imported history does not have
)

// The types of requests, from a program to the host, that are no commands of their own or
// that the code refers to by name. [Commands] has the others.
const (
	TypeHello = "hello" // a program's first line
	TypeSay   = "say"   // sends a message to the room
	TypePing  = "ping"  // asks for a pong
	TypeSend  = "send"  // posts a completed upload

	TypeCommand = "command" // a line as a member types it
	TypeSearch  = "search"  // also a command: asks for messages with certain words
	TypeFiles   = "files"   // also a command: lists uploads; operators remove them, or turn them off
)

// MaxNumber is the highest number in the protocol: IDs and seq. Languages whose only
// numbers are doubles can represent it exactly (RFC 8259, section 6).
const MaxNumber = 1<<53 - 1

// A Code says in one word why a request was rejected or a session ended, for programs.
type Code string

// Codes of [TypeError] and [TypeBye] events. After an error marked "last" the host closes
// the connection.
const (
	CodeTooLong     Code = "too_long"        // a line or a message exceeds a limit; it was dropped
	CodeBadJSON     Code = "bad_json"        // the line is not a JSON object of the right shape
	CodeBadRequest  Code = "bad_request"     // an argument is missing or invalid
	CodeUnknown     Code = "unknown_command" // there is no such command
	CodeBadNick     Code = "bad_nick"        // the nick breaks a rule
	CodeNoSuchNick  Code = "no_such_nick"    // there is no member with this nick
	CodeNoSuchFile  Code = "no_such_file"    // the host has no completed upload with this ID
	CodeNotAllowed  Code = "not_allowed"     // only operators may do this
	CodeMuted       Code = "muted"           // an operator muted the client
	CodeDuplicate   Code = "duplicate"       // seq is not above the last one accepted: it is in the log already
	CodeBusy        Code = "busy"            // too many private messages wait for a member whose connection is lost
	CodeNotStored   Code = "not_stored"      // the host cannot store the message (a full disk): resend it later with the same seq
	CodeNotRead     Code = "not_read"        // the host cannot read its history
	CodeVersion     Code = "bad_version"     // last: reserved for later versions
	CodeWrongRoom   Code = "wrong_room"      // last: the hello names another room
	CodeFull        Code = "full"            // last: too many connections, in total or from one address
	CodeBanned      Code = "banned"          // last: an operator banned the client or its address
	CodeSealed      Code = "sealed"          // last: the room is sealed, and the connection is not encrypted
	CodeNoSecret    Code = "secret_needed"   // the room is sealed: send an auth, or a hello with its secret
	CodeAuthFailed  Code = "auth_failed"     // last: the secret is wrong, or the signature
	CodeIntercepted Code = "intercepted"     // last: the client's end of the connection is not at the host, but at someone in between
	CodeTooMany     Code = "too_many_tries"  // last: too many wrong secrets from this address; try again in a minute
	CodeNotMember   Code = "not_a_member"    // last: the room is only for members with certain keys
	CodeListenOnly  Code = "listen_only"     // the client may read, but not send
	CodeQuit        Code = "quit"            // bye: the client asked for it
	CodeKicked      Code = "kicked"          // bye: an operator disconnected the client
	CodeReplaced    Code = "replaced"        // bye: the same token connected again
	CodeShutdown    Code = "shutdown"        // bye: the room is closing
	CodeFirstLine   Code = "first_line"      // bye: the first line took too long
)

// Final reports whether a client that gets c should not reconnect: another attempt would
// end the same way.
func (c Code) Final() bool {
	switch c {
	case CodeVersion, CodeWrongRoom, CodeBanned, CodeSealed, CodeAuthFailed, CodeIntercepted, CodeNotMember, CodeQuit, CodeKicked, CodeReplaced:
		return true
	}
	return false
}
