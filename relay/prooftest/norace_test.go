//go:build !race

package prooftest

const slowdown = 1
