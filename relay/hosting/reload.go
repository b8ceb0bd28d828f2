package hosting

// Reload reads again what can change while the room is open: the certificate of --cert, and the files of
// keys. What is wrong with them is logged, and the old ones stay.
func (r *Room) Reload() {
	s := r.opts.Supervisor
	r.logNotifyError(s.Reloading())
	r.opts.Log.Info("reloading")
	if r.sealed != nil {
		r.sealed.Recheck()
		r.sealed.Leaf()
	}
	for _, file := range r.keys {
		file.Reread()
	}
	r.logNotifyError(s.Ready(r.status()))
}
