package screen

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A sealedJoin is an Options.Join of a sealed room whose host is new, and notes what the person answers.
type sealedJoin struct {
	places  []Place
	trusted error
	secrets []seal.Secret
	asked   error
}

func (j *sealedJoin) join(ctx context.Context, p Place, ask client.Questions) (Room, error) {
	j.places = append(j.places, p)
	if j.trusted = ask.Trust(ctx, newHost); j.trusted != nil {
		return nil, j.trusted
	}
	for tries := range 3 {
		secret, err := ask.AskSecret(ctx, client.SecretQuestion{Addr: newHost.Addr, Title: newHost.Title, Pin: testPin, Tries: tries})
		if err != nil {
			j.asked = err
			return nil, err
		}
		if j.secrets = append(j.secrets, secret); secret == testSecret {
			return &fakeRoom{events: make(chan client.Event)}, nil
		}
	}
	return nil, &client.SecretError{Code: wire.CodeAuthFailed}
}

// whileJoining runs test on a lobby in which a sealed room is being joined.
func whileJoining(t *testing.T, test func(t *testing.T, r *lobbyLoop, j *sealedJoin)) {
	t.Helper()
	j := &sealedJoin{}
	lab := Place{Title: "lab", Addr: newHost.Addr, ID: "l", Sealed: true}
	opts := Options{Find: finds(0, foundAt{Place: kitchenPlace}, foundAt{Place: lab}), Join: j.join}
	whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
		r.after(6*time.Second).press("2", "enter").after(time.Second)
		r.want("A new host", "K7QZ   ABCD   EFGH   IJKL", "MNOP   QRST   UV", "/invite there")
		test(t, r, j)
	})
}

// Only y trusts a new host. Then the secret is asked for, until it is right.
func TestTrustAndSecret(t *testing.T) {
	whileJoining(t, func(t *testing.T, r *lobbyLoop, j *sealedJoin) {
		r.press("enter", "n", "down", " ", "tab", "pgdown").after(time.Second)
		r.want("A new host")
		r.press("y").after(time.Second)
		r.want("Secret needed", "lab")
		r.press("enter").after(time.Second)
		r.want("Secret needed", "press Enter again")
		r.typed("short")
		r.press("enter").after(time.Second)
		r.want("A secret has at least 12 characters.")
		r.typed("wrongsecret")
		r.press("ctrl+u")
		r.typed("awrongonelongenough")
		if frame := r.frame(); strings.Contains(frame, "awrong") || !strings.Contains(frame, "secret › "+strings.Repeat("•", 19)) {
			t.Errorf("the secret is not masked:\n%s", frame)
		}
		r.press("enter").after(time.Second)
		r.want("The secret is wrong. 2 tries are left.")
		r.update(tea.PasteMsg{Content: " m2v7-abcd-efgh-ijkl\n"})
		r.press("enter").after(time.Second)
		if len(j.secrets) != 2 || j.secrets[0] != "awrongonelongenough" || j.secrets[1] != testSecret || r.m.conversation == nil || len(r.m.dialogs) > 0 {
			t.Errorf("%d secrets, in the room: %v, %d dialogs", len(j.secrets), r.m.conversation != nil, len(r.m.dialogs))
		}
	})
}

// Going back from a question is not an error: the list of rooms is there again.
func TestGoBackFromAQuestion(t *testing.T) {
	for _, key := range []string{"esc", "ctrl+c"} {
		whileJoining(t, func(t *testing.T, r *lobbyLoop, j *sealedJoin) {
			r.press(key).after(time.Second)
			r.want("kitchen", "2 rooms on this network")
			if !errors.Is(j.trusted, client.ErrNotTrusted) || r.m.lobby.note != "" || r.m.lobby.stage != choosing || r.m.err != nil {
				t.Errorf("trusted: %v, note %q", j.trusted, r.m.lobby.note)
			}
			r.press("enter").after(time.Second).press("y").after(time.Second)
			r.want("Secret needed")
			r.press(key).after(time.Second)
			r.want("2 rooms on this network")
			if j.asked == nil || j.asked.Error() != "lab is sealed: its secret is needed" || len(j.secrets) > 0 || r.m.lobby.note != "" {
				t.Errorf("asked: %v, note %q", j.asked, r.m.lobby.note)
			}
		})
	}
}

// Those who enter by key have no secret: Enter joins without one, the second time.
func TestNoSecret(t *testing.T) {
	whileJoining(t, func(t *testing.T, r *lobbyLoop, j *sealedJoin) {
		r.press("y").after(time.Second).press("enter").after(time.Second)
		if len(j.secrets) > 0 {
			t.Error("the first Enter joins without a secret")
		}
		r.press("enter").after(time.Second)
		if len(j.secrets) != 1 || j.secrets[0] != "" {
			t.Errorf("%d secrets", len(j.secrets))
		}
	})
}

// An invite that is pasted as the secret must be of the host that asks.
func TestInviteAsSecret(t *testing.T) {
	whileJoining(t, func(t *testing.T, r *lobbyLoop, j *sealedJoin) {
		r.press("y").after(time.Second)
		for _, pasted := range []struct{ text, note string }{
			{"https://192.168.1.5:24280/#" + string(otherPin) + "." + string(testSecret), "another host: its pin is WXYZ 2345"},
			{"https://192.168.1.5:24280/#" + string(testPin), "no secret"},
			{"https://192.168.1.5:24280/#" + string(testPin) + ".M2V7", "incomplete"},
		} {
			r.run(r.update(tea.PasteMsg{Content: pasted.text}))
			r.after(time.Second)
			if r.want(pasted.note, "secret ›"); len(j.secrets) > 0 || strings.Contains(r.frame(), "M2V7") {
				t.Fatalf("%s was used, or is shown:\n%s", pasted.text, r.frame())
			}
		}
		r.run(r.update(tea.PasteMsg{Content: "https://10.0.0.9:1/#" + string(testPin) + "." + string(testSecret) + "\n"}))
		r.after(time.Second)
		if len(j.secrets) != 1 || j.secrets[0] != testSecret || r.m.conversation == nil {
			t.Errorf("%d secrets, in the room: %v", len(j.secrets), r.m.conversation != nil)
		}
	})
}

// A question that no one waits for any more closes.
func TestQuestionEnds(t *testing.T) {
	whileLobby(t, Options{Find: finds(0)}, func(t *testing.T, r *lobbyLoop) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.m.questions().Trust(ctx, newHost) }()
		r.after(time.Second)
		r.want("A new host")
		cancel()
		r.after(time.Second)
		if err := <-ended; !errors.Is(err, context.Canceled) || len(r.m.dialogs) > 0 {
			t.Errorf("%v, %d dialogs", err, len(r.m.dialogs))
		}
	})
}

// In a conversation, a question waits until the person does not type: the letters are for the message.
func TestQuestionWaitsForAPause(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.inSealedRoom("")
		r.typed("half a li")
		q := &question{secret: client.SecretQuestion{Title: "lab"}, answers: make(chan answer, 1)}
		later := r.update(questionAsked{q})
		r.typed("ne")
		if r.want("half a line"); len(r.m.dialogs) > 0 || later == nil {
			t.Fatal("the question is there while the person types")
		}
		for len(r.m.dialogs) == 0 {
			later = r.update(later())
		}
		r.want("Secret needed", "sealed ●")
	})
}
