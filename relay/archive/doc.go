// Package archive is chat history: it prints, exports, imports, backs up and checks the files in which
// hosts keep rooms. What is in such a file, package history knows.
package archive
