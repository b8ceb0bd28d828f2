//go:build unix

package browsertest_test

import "testing"

// The page that hands out the program passes WCAG 2.2 AA as far as a program can check, in both color schemes, fits a phone, and
// has its style. The room's page has a link to it.
func TestGetPage(t *testing.T) {
	h := startHost(t)
	script := axe(t)
	for _, size := range [][2]int64{{1280, 800}, {360, 640}} {
		alice := newProfile(t, size[0], size[1])
		alice.open(h.url() + "get")
		eval[any](alice, "%s", script+"; 1")
		var grounds []string
		for _, scheme := range []string{"light", "dark"} {
			alice.scheme(scheme)
			if found := eval[string](alice, violations); found != "" {
				t.Errorf("%dx%d, %s:\n%s", size[0], size[1], scheme, found)
			}
			grounds = append(grounds, eval[string](alice, `getComputedStyle(document.body).backgroundColor`))
		}
		if grounds[0] == grounds[1] {
			t.Errorf("light and dark are both %s", grounds[0])
		}
		if wide := eval[int](alice, `document.documentElement.scrollWidth`); wide > int(size[0]) {
			t.Errorf("the page is %d px wide on %d px", wide, size[0])
		}
		if scripts := eval[int](alice, `document.scripts.length`); scripts > 0 {
			t.Errorf("%d scripts", scripts)
		}
	}
	bob := newProfile(t, 390, 844)
	bob.join(h.url(), "bob")
	bob.run(`document.getElementById("show-invite").click()`)
	bob.wait(`document.getElementById("invite").open && !document.getElementById("get").hidden`)

	none := startHost(t, "--no-get")
	carol := newProfile(t, 1280, 800)
	carol.join(none.url(), "carol")
	carol.click("#show-invite")
	carol.wait(`document.getElementById("invite").open && document.getElementById("get").hidden`)
}
