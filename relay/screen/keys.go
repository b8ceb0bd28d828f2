package screen

// Keys returns the keys of the screen, each with its help, for the man page.
func Keys() [][2]string { return keysHelp }
