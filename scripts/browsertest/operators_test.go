//go:build unix

package browsertest_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"chat/relay/operatorfile"
)

// The page shows what operators do, marks them in the list and in the answer to /who, and has their commands once its
// user is one.
func TestOperatorsOnThePage(t *testing.T) {
	history := filepath.Join(t.TempDir(), "kitchen.chat")
	h := startHost(t, "--history", history)
	alice := h.member("alice", 1280, 800)
	var file *operatorfile.File
	await(t, "the operator file", func() (ok bool) {
		var err error
		file, err = operatorfile.Read(history + ".operator")
		return err == nil
	})
	op := h.dial(fmt.Sprintf(`{"type":"hello","nick":"op","secret":%q}`, file.Token))
	alice.waitFor("op joined")
	isOperator := func() bool {
		return eval[bool](alice, `import("/page/members.js").then(({ isOperator }) => isOperator())`) // what the list of commands asks
	}
	list := `[...document.querySelectorAll("#who li")].map((li) => li.textContent).join("; ")`
	alice.wait(list + `.includes("op operator")`)
	if isOperator() {
		t.Error("alice has the commands of operators")
	}
	fmt.Fprintln(op, `{"type":"op","nick":"alice"}`)
	alice.waitFor("op made alice an operator")
	alice.wait(list + `.includes("alice operator, you")`)
	if !isOperator() {
		t.Error("alice has no commands of operators")
	}
	alice.send("/who")
	alice.waitFor("2 here: alice (operator), op (operator)")
	fmt.Fprintln(op, `{"type":"deop","nick":"alice"}`)
	alice.waitFor("op made alice an ordinary member")
	fmt.Fprintln(op, `{"type":"mute","nick":"alice","text":"spam"}`)
	alice.waitFor("op muted alice: spam")
	if isOperator() {
		t.Error("alice still has the commands of operators")
	}
}
