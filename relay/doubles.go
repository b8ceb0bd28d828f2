//go:build !chaosnodedup

package relay

// dropsDoubles is false only in a build in which scripts/chaos has to find doubles.
const dropsDoubles = true
