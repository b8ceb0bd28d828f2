package screen

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/seal"
)

// A question comes from a client, which asks the person about a sealed room: whether to trust its host, or what its
// secret is.
type question struct {
	// Fixed.
	trust   *client.Host // nil: the secret is asked for
	secret  client.SecretQuestion
	over    <-chan struct{} // closed when the client no longer waits for an answer
	answers chan answer     // capacity 1; the screen sends one at most
}

type answer struct {
	secret seal.Secret
	err    error
}

// questions returns the functions by which a client asks the person. Any goroutine may call them.
func (m *model) questions() client.Questions {
	return client.Questions{
		Trust: func(ctx context.Context, h client.Host) error {
			_, err := m.ask(ctx, &question{trust: &h})
			return err
		},
		AskSecret: func(ctx context.Context, q client.SecretQuestion) (seal.Secret, error) {
			return m.ask(ctx, &question{secret: q})
		},
	}
}

// ask waits until the person has answered a question, or ctx has ended. It uses fixed fields only.
func (m *model) ask(ctx context.Context, q *question) (seal.Secret, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q.over, q.answers = ctx.Done(), make(chan answer, 1)
	select {
	case m.asked <- q:
	case <-ctx.Done():
		return "", ctx.Err()
	case <-m.ctx.Done():
		return "", m.ctx.Err()
	}
	select {
	case a := <-q.answers:
		return a.secret, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	case <-m.ctx.Done():
		return "", m.ctx.Err()
	}
}

// Messages about questions: one was asked, and no one waits for its answer any more.
type (
	questionAsked struct{ *question }
	questionOver  struct{ *question }
)

// waitForQuestion returns a command that waits for the next question.
func (m *model) waitForQuestion() tea.Cmd {
	return func() tea.Msg {
		select {
		case q := <-m.asked:
			return questionAsked{q}
		case <-m.ctx.Done():
			return nil
		}
	}
}

// typingPause is how long no key was pressed before a question covers a conversation: letters typed before
// belong to the message.
const typingPause = time.Second

// takeQuestion shows a question, and waits for the next one.
func (m *model) takeQuestion(q *question) tea.Cmd {
	if left := typingPause - time.Since(m.lastKey); m.conversation != nil && left > 0 {
		return tea.Tick(left, func(time.Time) tea.Msg { return questionAsked{q} })
	}
	m.openDialog(m.dialogOf(q))
	return tea.Batch(m.waitForQuestion(), func() tea.Msg {
		select {
		case <-q.over:
			return questionOver{q}
		case <-m.ctx.Done():
			return nil
		}
	})
}

// dialogOf returns the dialog that asks a question.
func (m *model) dialogOf(q *question) (d *dialog) {
	if q.trust != nil {
		d = m.trustDialog(*q.trust, func(err error) tea.Cmd { return m.reply(q, answer{err: err}) })
	} else {
		d = m.secretDialog(q.secret, func(s seal.Secret, err error) tea.Cmd { return m.reply(q, answer{s, err}) })
	}
	d.question = q
	return d
}

// reply answers a question. A person who goes back does not join the room.
func (m *model) reply(q *question, a answer) tea.Cmd {
	q.answers <- a
	if a.err != nil && m.lobby.stage == joining && m.conversation == nil {
		m.lobby.canceled = true
	}
	return nil
}
