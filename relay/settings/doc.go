// Package settings reads the settings of a command from its flags, from environment variables and, for
// chat host, from a file, in this order. The first source with a value decides.
//
// A setting has the name of its flag without the dashes. Its variable is CHAT_ and the name in
// capitals, with _ for each dash, unless the flag names another one. A list is replaced as
// a whole; each limit is a setting of its own.
package settings
