// Package diskspace asks the system how much space a disk has.
package diskspace

// bytesOf returns the size of blocks as an int64; what no int64 can hold, it cuts off. Systems have different types
// for it, and negative numbers for space that only root can use.
func bytesOf[N int64 | uint64](blocks N, size int64) int64 {
	if blocks <= 0 || size <= 0 {
		return 0
	}
	const limit = 1 << 62
	if uint64(blocks) > limit/uint64(size) {
		return limit
	}
	return int64(blocks) * size
}
