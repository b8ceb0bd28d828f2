// Package browsertest opens the room's page in a real browser, Chromium, and checks what
// members see.
package browsertest
