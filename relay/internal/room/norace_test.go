//go:build !race

package room

const slowdown = 1
