// Package browsertest opens the room's page in a real browser, Chromium, and looks at what
// people see there.
package browsertest
