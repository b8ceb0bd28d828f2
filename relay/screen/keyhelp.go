package screen

// KeyHelp returns the keys of the screen, each with its help, for the man page.
func KeyHelp() [][2]string { return keysHelp }
