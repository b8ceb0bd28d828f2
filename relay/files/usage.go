package files

// A Usage says how much a store holds.
type Usage struct {
	Files   int   // published ones
	Uploads int   // that are not finished, or not published yet
	Bytes   int64 // of both, with what uploads have reserved
}

// Folder returns the folder with the files.
func (s *Store) Folder() string { return s.folder }

// Usage returns how much the store holds.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Files: len(s.files), Uploads: len(s.uploads), Bytes: s.held}
}
