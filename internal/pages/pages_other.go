//go:build !linux

package pages

// Drop does nothing: only Linux has /proc/self/maps.
func Drop() {}
