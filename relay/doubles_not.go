//go:build chaosnodedup

package relay

const dropsDoubles = false
