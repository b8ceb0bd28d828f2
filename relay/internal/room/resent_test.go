package room

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A message that is resent is pending only while its answer is still to come. Once it can be read in
// the log, its sender has the answer, and nothing would follow ErrPending. The committer wakes the log's
// readers: while it does, later messages stay pending.
func TestResentMessageIsAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	synctest.Test(t, func(t *testing.T) {
		file, err := history.OpenFile(path, history.Keep{})
		if err != nil {
			t.Fatal(err)
		}
		fold, err := NewFold(file.Records)
		if err != nil {
			t.Fatal(err)
		}
		read := func() {}
		log, err := history.NewOn(file, history.Limits{}, func([]history.Waiter) { read() }, fold, new(world), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r := NewOn(Options{FlushIn: func(time.Duration) {}}, log, fold, time.Now())
		m := &Member{Peer: new(silentPeer), Program: true}
		if _, err := r.Enter(m, &wire.Request{Nick: "alice", Token: "token-of-alice"}, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		post := func(seq uint64) error { return r.Post(m, wire.TypeMessage, seq, "soup", time.Now()) }
		expect := func(when string, got error, want wire.Code) {
			t.Helper()
			if want == "" {
				if got != ErrPending {
					t.Errorf("%s: %v, want that it is pending", when, got)
				}
			} else if fault, ok := got.(*wire.Fault); !ok || fault.Code != want {
				t.Errorf("%s: %v, want %s", when, got, want)
			}
		}
		reads := 0
		read = func() {
			if reads++; reads > 1 {
				return
			}
			expect("the message that is read", post(1), wire.CodeDuplicate)
			if err := r.SetTopic(m, "supper", 0, time.Now()); err != nil {
				t.Error(err)
			}
			expect("while a later topic is pending", post(1), wire.CodeDuplicate)
			if err := post(2); err != nil {
				t.Error(err)
			}
			expect("while a later message is pending", post(1), wire.CodeDuplicate)
			expect("a pending message", post(2), "")
			_, err := r.PostPrivate(m, &wire.Request{To: "no-one", Seq: 5, Text: "soup"}, time.Now())
			expect("to no member", err, wire.CodeNoSuchNick)
			expect("a pending message, after a later one was rejected", post(2), "")
			if err := post(3); err != nil {
				t.Error(err)
			}
		}
		log.Wait(log.Next(), "a reader")
		if err := post(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if reads == 0 {
			t.Error("no reader was woken")
		}
		for _, seq := range []uint64{1, 2, 3} {
			expect("when all is committed", post(seq), wire.CodeDuplicate)
		}
		if n := len(m.identity.pending); n > 0 {
			t.Errorf("%d messages are still noted as pending", n)
		}
		r.Close()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}
