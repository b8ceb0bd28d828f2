// Package files keeps what people send each other, until the host ends or for good.
package files

// A Store keeps files in a folder.
type Store struct {
	max int64
}

// MaxFile returns how many bytes a file may have.
func (s *Store) MaxFile() int64 { return s.max }
