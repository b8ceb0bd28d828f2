// Package text holds the rules for text from the network: what a terminal can show
// without harm ([Clean], [CleanLines]), which nicks are valid and which look alike
// ([NormalizeNick], [NickKeys]), safe file names ([FileName]), and the words that a
// search matches ([Query]).
//
// Text from the network is hostile until [Clean] or [CleanLines] has returned it: the
// host cleans what it receives, and a client cleans what it shows, because a host can
// be hostile too.
package text
