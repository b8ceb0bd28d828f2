package web

import "testing"

// Only lines that are comments are empty in what is served.
func TestWithoutComments(t *testing.T) {
	const script = `// @ts-check
import { a } from './a.js'; // why

/** The b. @type {B} */
let b = '//c'; /* d */
/**
 * @param {string} e
 */
function f(e) {
	// g
	return /** @type {any} */ (e) / 2;
	/** @type {any} */ (e).f();
}
`
	const want = `
import { a } from './a.js'; // why


let b = '//c'; /* d */



function f(e) {

	return /** @type {any} */ (e) / 2;
	/** @type {any} */ (e).f();
}
`
	if got := string(withoutComments([]byte(script))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
