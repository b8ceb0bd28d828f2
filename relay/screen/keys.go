package screen

// Keys returns the keys of the screen and what they do, for the man page.
func Keys() [][2]string { return keysHelp }
