// Package archive is chat history: it prints, exports, imports, backs up and checks the files in which
// hosts keep rooms. Package history knows what is in such a file.
package archive
