// Package screentest runs the program on a real terminal, that of tmux, and looks at
// what is on the screen.
package screentest
