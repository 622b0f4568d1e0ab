package config

import "io"

type rules struct{}

// Route says which way the events of a tag go that came in by input (an index into p.Inputs).
// It is pure and safe for concurrent use; callers cache what it returns.
func (p *Plan) Route(input int, tag string) Route { panic("not written yet") }

// Write prints the plan for people: the service, every part with the options that differ from their defaults, and the
// ways of tags. Secrets are hidden. The text is the same for the same configuration.
func (p *Plan) Write(w io.Writer) error { panic("not written yet") }

// Reference is a Markdown page of every plugin that exists in the dialect, and its options.
func Reference(catalogue []Plugin, d Dialect) string { panic("not written yet") }

// CheckCatalogue finds mistakes in the declarations of options: an unknown type, a default that isn't of the type,
// an option without a help line. It is for tests.
func CheckCatalogue(catalogue []Plugin) error { panic("not written yet") }
