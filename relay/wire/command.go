package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// A Command is a command that a member types ("/msg bob hello"). The host carries out
// most commands; a program sends them as a request whose type is the name
// ({"type":"msg","to":"bob","text":"hello"}).
type Command struct {
	Name     string
	Args     []Argument
	Help     string // one line, in the imperative
	Group    Group  // the heading that help lists it under
	Operator bool   // only operators may use it
	Lines    bool   // its last argument is a text to send, which can have several lines
	Local    Client // the clients that carry it out themselves; 0: the host does, for every client
}

// A Client is a set of the programs that people type commands into.
type Client uint8

const (
	Screen Client = 1 << iota // the full screen of chat host and chat join
	Plain                     // chat join --plain
	Page                      // the page in a browser
)

// A Group is a heading of help: commands, and keys of the screen, for one purpose.
type Group string

const (
	WriteGroup    Group = "Write"
	LookGroup     Group = "Look"
	LeaveGroup    Group = "Leave"
	MessageGroup  Group = "Messages"
	FindGroup     Group = "Find and keep"
	PeopleGroup   Group = "People"
	FileGroup     Group = "Files"
	OperatorGroup Group = "Operators"
)

// An Argument is one word of a command, or the rest of its line.
type Argument struct {
	Name     string                 // the placeholder in usage and help
	Text     func(*Request) *string // the field of the request that it sets; nil in local commands and for a count
	Count    func(*Request) *int    // the field of a number from 1 up; nil unless it is one
	Rest     bool                   // it is the rest of the line
	Optional bool
}

var (
	nickArgument = Argument{Name: "NICK", Text: func(r *Request) *string { return &r.Nick }}
	toArgument   = Argument{Name: "NICK", Text: func(r *Request) *string { return &r.To }}
	textArgument = Argument{Name: "TEXT", Text: func(r *Request) *string { return &r.Text }, Rest: true}

	reasonArgument = textArgument.named("REASON").optional()
)

func (a Argument) optional() Argument         { a.Optional = true; return a }
func (a Argument) named(name string) Argument { a.Name = name; return a }
func (a Argument) orAddress() Argument        { return a.named("NICK|IP") }
func local(name string, optional bool) Argument {
	return Argument{Name: name, Rest: true, Optional: optional}
}

// Commands are all commands, in the order of help, one group after the other. The host, the screen, the page,
// --plain and the documents take them from here.
var Commands = []Command{
	{Name: "me", Args: []Argument{textArgument}, Lines: true, Help: "Send an action: /me waves.", Group: MessageGroup},
	{Name: "msg", Args: []Argument{toArgument, textArgument}, Lines: true, Help: "Send a private message.", Group: MessageGroup},
	{Name: "r", Args: []Argument{local("TEXT", false)}, Lines: true, Help: "Reply to the last private message.", Group: MessageGroup, Local: Screen},
	{Name: "nick", Args: []Argument{nickArgument.named("NAME")}, Help: "Change your nick to NAME.", Group: MessageGroup},
	{Name: "topic", Args: []Argument{textArgument.optional()}, Help: "Show or set the topic; - clears it.", Group: MessageGroup},
	{Name: TypeSearch, Args: []Argument{textArgument.named("WORDS")}, Help: "Find messages with all of WORDS.", Group: FindGroup},
	{
		Name: TypeHistory, Help: "Show the last N messages (default 50).", Group: FindGroup,
		Args: []Argument{{Name: "N", Count: func(r *Request) *int { return &r.Count }, Optional: true}},
	},
	{Name: "copy", Args: []Argument{local("N|code", true)}, Help: "Copy the last N messages, or the last block of code.", Group: FindGroup, Local: Screen},
	{Name: "export", Args: []Argument{local("FILE", false)}, Help: "Save the transcript as text, or as JSON lines (.jsonl).", Group: FindGroup, Local: Screen},
	{Name: "who", Help: "List the members.", Group: PeopleGroup},
	{Name: "members", Help: "Show or hide the member list.", Group: PeopleGroup, Local: Screen},
	{
		Name: TypeInvite, Help: "Show how others can join.", Group: PeopleGroup,
		Args: []Argument{textArgument.named("new").optional()},
	},
	{Name: "ignore", Args: []Argument{nickArgument.optional()}, Help: "Hide a member's messages, or list whose you hide.", Group: PeopleGroup},
	{Name: "unignore", Args: []Argument{nickArgument}, Help: "Show a member's messages again.", Group: PeopleGroup},
	{Name: TypeSend, Args: []Argument{local("PATH", false)}, Help: "Upload a file to the room.", Group: FileGroup, Local: Screen | Plain},
	{Name: "get", Args: []Argument{local("N", true), local("DIR", true)}, Help: "Download file N, or the last one, to DIR.", Group: FileGroup, Local: Screen | Plain},
	{Name: "view", Args: []Argument{local("N", true)}, Help: "Show picture N, or the last one.", Group: FileGroup, Local: Screen},
	{Name: "cancel", Args: []Argument{local("N", true)}, Help: "Cancel all transfers, or the download of file N.", Group: FileGroup, Local: Screen | Plain},
	{Name: TypeFiles, Args: []Argument{textArgument.named("rm N|off|on").optional()}, Help: "List the uploads. Operators can remove one, and turn uploads off or on.", Group: FileGroup},
	{Name: "help", Help: "List the commands.", Group: LookGroup},
	{Name: "quit", Args: []Argument{textArgument.optional()}, Help: "Leave the room.", Group: LeaveGroup},
	{Name: "kick", Args: []Argument{nickArgument, reasonArgument}, Help: "Disconnect a member.", Group: OperatorGroup, Operator: true},
	{Name: "ban", Args: []Argument{nickArgument.orAddress(), reasonArgument}, Help: "Keep out a member or an address.", Group: OperatorGroup, Operator: true},
	{Name: "unban", Args: []Argument{nickArgument.orAddress()}, Help: "Lift a ban.", Group: OperatorGroup, Operator: true},
	{Name: "mute", Args: []Argument{nickArgument, reasonArgument}, Help: "Silence a member.", Group: OperatorGroup, Operator: true},
	{Name: "unmute", Args: []Argument{nickArgument.orAddress()}, Help: "Lift a mute.", Group: OperatorGroup, Operator: true},
	{Name: "release", Args: []Argument{nickArgument}, Help: "Free a nick of its key.", Group: OperatorGroup, Operator: true},
	{Name: "op", Args: []Argument{nickArgument.optional(), reasonArgument}, Help: "Add or list operators.", Group: OperatorGroup, Operator: true},
	{Name: "deop", Args: []Argument{nickArgument, reasonArgument}, Help: "Undo /op.", Group: OperatorGroup, Operator: true},
	{Name: "bans", Help: "List bans and mutes.", Group: OperatorGroup, Operator: true},
}

// CommandNamed returns the command called name, or nil.
func CommandNamed(name string) *Command {
	for i := range Commands {
		if Commands[i].Name == name {
			return &Commands[i]
		}
	}
	return nil
}

// Usage returns the line that a member types: "/msg NICK TEXT".
func (c *Command) Usage() string {
	usage := "/" + c.Name
	brackets := 0
	for _, a := range c.Args {
		usage += " "
		if a.Optional {
			usage += "["
			brackets++
		}
		usage += a.Name
	}
	return usage + strings.Repeat("]", brackets)
}

// NeedsArgument reports whether c cannot be used without an argument.
func (c *Command) NeedsArgument() bool { return len(c.Args) > 0 && !c.Args[0].Optional }

// ParseCommand returns the request that line, a command as a member types it, stands
// for. The error is a [*Fault]: of [CodeUnknown] for a command that the host does not
// carry out, of [CodeBadRequest] for wrong arguments.
func ParseCommand(line string) (*Request, error) {
	name, rest := cutWord(strings.TrimPrefix(line, "/"))
	c := CommandNamed(strings.ToLower(name))
	if c == nil || c.Local != 0 {
		return nil, unknownCommand(line)
	}
	return c.Parse(rest)
}

// Parse returns the request that c stands for, with args as a member types them after its name. The
// error is a [*Fault] of [CodeBadRequest].
func (c *Command) Parse(args string) (*Request, error) {
	req, rest := &Request{Type: c.Name}, args
	for i := range c.Args {
		a := &c.Args[i]
		rest = strings.TrimLeft(rest, " ")
		word := rest
		if rest = ""; !a.Rest {
			word, rest, _ = strings.Cut(word, " ")
		}
		if !a.set(req, word) {
			return nil, c.misused()
		}
	}
	if strings.TrimSpace(rest) != "" {
		return nil, c.misused()
	}
	return req, c.Check(req)
}

// set puts word, which is "" if it is missing, into the argument's field. It returns
// false if the field is a number and word is not.
func (a *Argument) set(req *Request, word string) bool {
	if a.Count == nil {
		*a.Text(req) = word
		return true
	}
	if word == "" {
		return true
	}
	n, err := strconv.Atoi(word)
	*a.Count(req) = n
	return err == nil && n > 0
}

// Check returns a [*Fault] of [CodeBadRequest] if an argument that c needs is missing.
func (c *Command) Check(req *Request) error {
	for _, a := range c.Args {
		if !a.Optional && a.Text != nil && *a.Text(req) == "" {
			return c.misused()
		}
	}
	return nil
}

func (c *Command) misused() error { return Faultf(CodeBadRequest, "usage: %s", c.Usage()) }

// A Fault is why a request is rejected, or a session ends: a code for programs and a
// line for people.
type Fault struct {
	Code Code
	Text string
}

// Faultf returns a Fault with a formatted text.
func Faultf(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Text: fmt.Sprintf(format, args...)}
}

func (f *Fault) Error() string { return f.Text }

// Event returns the error event for the request that its client numbered seq; 0: it has no number.
func (f *Fault) Event(seq uint64) Event {
	return Event{Type: TypeError, Code: f.Code, Text: f.Text, Seq: seq}
}
