package screen

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/syntax"
	"chat/relay/screen/theme"
)

// codeColors finds the tokens of the blocks of code that are on the screen, one block at a
// time in the background; until they are found, code has no colors. Blocks for which they
// cannot be found, in time or at all, stay like that. It is owned by Bubble Tea's event
// loop, except for the jobs, which go to the tea.Cmd of find.
type codeColors struct {
	found   map[codeJob][]syntax.Token
	size    int          // of found, in bytes
	version int          // how often new tokens came
	asked   bool         // a job is being done
	jobs    chan codeJob // has room for one
}

// A codeJob is a block of code whose tokens are wanted.
type codeJob struct{ code, language string }

const (
	// maxColors is how many bytes of code and tokens are kept. When there are more, all are
	// forgotten: those on the screen are found again.
	maxColors = 4 << 20

	// colorPause is how long after a block the next one has to wait, in times that it took: so
	// whatever others send, it takes at most a tenth of a processor.
	colorPause = 9
)

func newCodeColors() *codeColors {
	return &codeColors{found: make(map[codeJob][]syntax.Token), jobs: make(chan codeJob, 1)}
}

// changes returns how often new tokens came.
func (c *codeColors) changes() int {
	if c == nil {
		return 0
	}
	return c.version
}

// of returns the tokens of code, if they are known, and otherwise asks for them. It is called
// for code that is drawn; that is how only code on the screen takes time.
func (c *codeColors) of(code, language string) []syntax.Token {
	if c == nil || language == "" || len(code) > syntax.MaxBytes || !syntax.Knows(language) {
		return nil
	}
	job := codeJob{code, language}
	tokens, ok := c.found[job]
	if !ok && !c.asked {
		c.asked = true
		c.jobs <- job // there is room: the last one is done
	}
	return tokens
}

// codeColored are the tokens of a job, and how long it took.
type codeColored struct {
	codeJob
	tokens []syntax.Token // nil: there are none, or they could not be found
	took   time.Duration
}

// find returns a command that waits for a pause, and then does the next job.
func (c *codeColors) find(done <-chan struct{}, pause time.Duration) tea.Cmd {
	return func() tea.Msg {
		select {
		case <-time.After(pause):
		case <-done:
			return nil
		}
		select {
		case job := <-c.jobs:
			began := time.Now()
			tokens, err := syntax.Tokens(job.code, job.language)
			if err != nil {
				tokens = nil // it stays without colors
			}
			return codeColored{job, tokens, time.Since(began)}
		case <-done:
			return nil
		}
	}
}

// add keeps what find found, and continues.
func (c *codeColors) add(found codeColored, done <-chan struct{}) tea.Cmd {
	const perEntry, perToken = 128, 12 // bytes
	size := perEntry + len(found.code) + perToken*len(found.tokens)
	if c.size+size > maxColors {
		c.found, c.size = make(map[codeJob][]syntax.Token), 0
	}
	c.found[found.codeJob] = found.tokens
	c.size += size
	c.asked = false
	if len(found.tokens) > 0 { // the rows that were drawn are out of date
		c.version++
	}
	return c.find(done, colorPause*found.took)
}

// codeStyle returns the style of a token of code.
func codeStyle(t *theme.Theme, class syntax.Class) theme.Style {
	switch class {
	case syntax.Keyword:
		return t.Keyword
	case syntax.Literal:
		return t.Literal
	case syntax.Number:
		return t.Number
	case syntax.Function:
		return t.Function
	case syntax.Comment:
		return t.Comment
	}
	return theme.Plain
}
