//go:build chaosnowait

package history

const waitForDisk = false
