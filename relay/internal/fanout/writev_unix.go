//go:build linux || darwin || openbsd

package fanout

const (
	// maxVector is the limit of pieces in one write.
	maxVector = 8

	// shortRun is the size in bytes from which a run is not copied. Below it, the copy costs
	// less than another piece of a write.
	shortRun = 4 << 10
)
