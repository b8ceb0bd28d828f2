// Package browsertest opens the room's page in real browsers and checks what members see.
// TestEngines takes Chromium, Firefox and WebKit (WebKitGTK's MiniBrowser, close to Safari)
// through the same steps. The other tests look closer, in Chromium only.
//
//	go test ./scripts/browsertest -v -run Engines/Firefox
//
// It needs chromium, firefox-esr, webkit2gtk-driver and xvfb of Debian. A test whose browser
// is not installed is skipped; with CI=true that is a failure.
package browsertest
