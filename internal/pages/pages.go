// Package pages keeps the peak of the start's memory low.
package pages

// Go initializes packages in the order of their import paths, as far as their own imports allow. So this releases what the packages
// before this one have read, before the rest is initialized: 1.5 MiB less at the peak.
var _ = func() bool { Drop(); return true }()
