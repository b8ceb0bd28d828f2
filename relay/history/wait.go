//go:build !chaosnowait

package history

// waitForDisk is false only in a build in which scripts/chaos has to find losses.
const waitForDisk = true
