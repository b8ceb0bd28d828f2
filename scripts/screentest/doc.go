// Package screentest runs the program on a real terminal, that of tmux, and checks the
// screen.
package screentest
