//go:build !chaosnowait

package history

// waitForDisk is false only in a build with losses, which scripts/chaos has to find.
const waitForDisk = true
