// Package text has the rules for text from the network: text that is safe on a terminal
// ([Clean], [CleanLines]), which nicks are valid and which look alike ([NormalizeNick],
// [NickKeys]), safe file names ([FileName]), and the words that a search matches
// ([Query]).
//
// Text from the network is hostile until [Clean] or [CleanLines] has returned it. The
// host cleans all input; a client cleans it again before showing it, because a host can
// be hostile too.
package text
