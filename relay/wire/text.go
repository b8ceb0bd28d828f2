package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"chat/relay/text"
	"chat/relay/timezone"
)

// NamesShown is how many names a notice lists before "and N more"; /who lists all.
const NamesShown = 12

// A Viewer is the reader for whom an event is formatted.
type Viewer struct {
	Zone  *time.Location // time zone of the times; nil: this machine's
	Nick  string         // the reader's nick, shown as "you" in private messages
	Dated bool           // times have their date and seconds, as in a transcript

	// Fold replaces long runs of blanks that members sent by a mark (text.FoldBlanks), for a
	// terminal of unknown width: there they could put text at the beginning of a row.
	Fold bool
}

// AppendText appends the event as lines for people, each with its newline. An event
// without words for people, such as a pong, appends nothing.
//
// Every line of a message begins with its time, a notice with "* ", an error with "! ".
// So no message can pass for a notice or an error.
func (e *Event) AppendText(dst []byte, v Viewer) []byte {
	switch e.Type {
	case TypeMessage:
		return e.appendMessage(dst, v, "<", e.From, "> ")
	case TypeAction:
		return e.appendMessage(dst, v, "* ", e.From, " ")
	case TypePrivate:
		return e.appendMessage(dst, v, "[", you(e.From, v.Nick)+" -> "+you(e.To, v.Nick), "] ")
	case TypeError:
		return appendLines(dst, "! ", e.Text)
	case TypeNotice:
		return appendLines(dst, "* ", e.Text)
	case TypeHistory:
		return e.appendHistory(dst, v)
	}
	if v.Fold {
		e = e.folded()
	}
	if words := e.words(); words != "" {
		return appendLines(dst, "* ", words)
	}
	return dst
}

// folded returns the event without long runs of blanks in what members wrote.
func (e *Event) folded() *Event {
	f := *e
	f.Text, f.Topic, f.Title = text.FoldBlanks(e.Text), text.FoldBlanks(e.Topic), text.FoldBlanks(e.Title)
	return &f
}

// appendMessage repeats the full prefix before each line of the text.
func (e *Event) appendMessage(dst []byte, v Viewer, open, name, shut string) []byte {
	in := v.Zone
	if in == nil {
		in = timezone.Local(e.Time)
	}
	sent := e.Time.In(in)
	for rest, more := e.Text, true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		if v.Fold {
			line = text.FoldBlanks(line)
		}
		if v.Dated {
			dst = sent.AppendFormat(dst, "2006-01-02 15:04:05 ")
		} else {
			dst = appendClock(dst, sent)
		}
		dst = append(dst, open...)
		dst = append(dst, name...)
		dst = append(dst, shut...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return dst
}

// appendHistory appends the messages of a history, below a heading.
func (e *Event) appendHistory(dst []byte, v Viewer) []byte {
	var messages []byte
	n := 0
	for i := range e.Events {
		if old := &e.Events[i]; old.IsMessage() {
			messages = old.AppendText(messages, v)
			n++
		}
	}
	return append(appendLines(dst, "* ", e.HistoryHeading(n)), messages...)
}

// HistoryHeading returns the heading, for people, of a history with n messages: earlier
// ones, or those with the words searched for.
func (e *Event) HistoryHeading(n int) string {
	words := strings.ReplaceAll(e.Text, "\n", " ")
	switch {
	case words != "" && n == 0:
		return "no messages with " + words
	case words != "":
		return Counted(n, "message with ", "messages with ") + words + ":"
	case n == 0:
		return "no earlier messages"
	}
	return Counted(n, "earlier message:", "earlier messages:")
}

// Counted returns n with its noun, one or more: "1 message", "2 messages".
func Counted[N int | uint64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + more
}

// appendClock appends "15:04 ". It runs for every message, so it does not use a layout.
func appendClock(dst []byte, t time.Time) []byte {
	h, m, _ := t.Clock()
	return append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ' ')
}

func appendLines(dst []byte, prefix, text string) []byte {
	for line := range strings.SplitSeq(text, "\n") {
		dst = append(dst, prefix...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return dst
}

func you(nick, viewer string) string {
	if nick == viewer {
		return "you"
	}
	return nick
}

// words returns an event other than a message as a sentence, or "".
func (e *Event) words() string {
	switch e.Type {
	case TypeWelcome:
		return e.welcome()
	case TypeJoin:
		return e.names(NamesShown) + " joined"
	case TypeLeave:
		if e.Code != "" {
			was := " was "
			if len(e.Members) > 1 {
				was = " were "
			}
			return e.names(NamesShown) + was + e.Expulsion()
		}
		if e.Text != "" {
			return e.names(NamesShown) + " left (" + e.Text + ")"
		}
		return e.names(NamesShown) + " left"
	case TypeNick:
		return e.From + " is now " + e.Nick
	case TypeTopic:
		return e.topicWords()
	case TypeOperator:
		return e.From + " " + e.Text
	case TypeWho:
		return strconv.Itoa(e.Count) + " here: " + e.names(len(e.Members))
	case TypeGap:
		if e.Missed == 0 {
			return "events may be missing: the host has another log than before"
		}
		return Counted(e.Missed, "event missed; the host no longer keeps it", "events missed; the host no longer keeps them")
	case TypeBye:
		return e.Text
	}
	return ""
}

// Expulsion returns how a member was made to leave, in words: "kicked by alice: reason".
func (e *Event) Expulsion() string {
	words := string(e.Code) + " by " + e.From
	if e.Text != "" {
		words += ": " + e.Text
	}
	return words
}

func (e *Event) welcome() string {
	here := "no one else here yet"
	if len(e.Members) > 0 {
		here = strconv.Itoa(e.Count) + " here: " + e.names(NamesShown)
	}
	words := "Welcome to " + e.Title + ", " + e.Nick + " (" + here + "). "
	if strings.HasPrefix(e.Nick, text.GuestPrefix) {
		words += "/nick NAME to choose a nick, "
	}
	words += "/help for more."
	if e.Topic != "" {
		words += "\nThe topic is: " + e.Topic
	}
	return words
}

func (e *Event) topicWords() string {
	switch {
	case e.From == "" && e.Text == "":
		return "No topic is set; /topic TEXT sets one"
	case e.From == "":
		return "The topic is: " + e.Text
	case e.Text == "":
		return e.From + " cleared the topic"
	default:
		return e.From + " set the topic: " + e.Text
	}
}

// names lists at most limit of Members in words, and marks the host and operators: "(host)", "(operator)". The answer to /who
// has the tags of keys, too: "alice (host, k3v9)".
func (e *Event) names(limit int) string {
	shown := e.Members
	if len(shown) > limit+1 { // "and 1 more" would be no shorter
		shown = shown[:limit]
	}
	hosts := make(map[string]bool, len(e.Hosts))
	for _, name := range e.Hosts {
		hosts[name] = true
	}
	var b strings.Builder
	for i, name := range shown {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		marks := make([]string, 0, 2)
		switch {
		case e.Type == TypeJoin:
		case hosts[name] && name == e.From:
			marks = append(marks, "host")
		case hosts[name]:
			marks = append(marks, "operator")
		}
		if tag := e.Tag(i); tag != "" && e.Type == TypeWho {
			marks = append(marks, tag)
		}
		if len(marks) > 0 {
			b.WriteString(" (" + strings.Join(marks, ", ") + ")")
		}
	}
	if more := max(e.Count, len(e.Members)) - len(shown); more > 0 {
		if len(shown) > 0 {
			b.WriteString(" and ")
		}
		b.WriteString(strconv.Itoa(more) + " more")
	}
	return b.String()
}
