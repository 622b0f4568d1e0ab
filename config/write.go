package config

import "io"

// Write prints the plan for people: the service, every part with the options that differ from their defaults, and the
// ways of tags. Secrets are hidden. The text is the same for the same configuration.
func (p *Plan) Write(w io.Writer) error { panic("not written yet") }

// Reference is a Markdown page of every plugin that exists in the dialect, and its options.
func Reference(catalogue []Plugin, d Dialect) string { panic("not written yet") }

// CheckCatalogue finds mistakes in the declarations of options: an unknown type, a default that isn't of the type,
// an option without a help line. It is for tests.
func CheckCatalogue(catalogue []Plugin) error { panic("not written yet") }
