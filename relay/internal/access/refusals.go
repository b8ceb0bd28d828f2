package access

// Refusals count attempts to enter a sealed room that failed.
type Refusals struct {
	Wrong     uint64 // the secret was wrong
	LockedOut uint64 // its address had sent too many wrong ones
}

// Refusals returns how many attempts to enter have failed. In a plain room there are none.
func (g *Gate) Refusals() Refusals {
	if g == nil {
		return Refusals{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// lockedOutLocked returns the fault for a group that sent too many wrong secrets, or nil, and counts it.
func (g *Gate) lockedOutLocked(from string) error {
	err := g.wrong.lockedOut(from)
	if err != nil {
		g.refused.LockedOut++
	}
	return err
}

// countWrongLocked counts a wrong secret of a group, as a whole try or half of one.
func (g *Gate) countWrongLocked(from string, cost int) {
	g.refused.Wrong++
	g.wrong.count(from, cost)
}
