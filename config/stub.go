package config

// Service is Fluent Bit's [SERVICE] and Fluentd's <system>.
type Service struct{}

type rules struct{}

// Compile reads the file, in the dialect that it is in, and everything that it includes. lookup gives environment
// variables. Errors is every mistake that was found, in the order of the files (never only the first one).
func Compile(file string, catalogue []Plugin, lookup func(string) (string, bool)) (*Plan, []Diagnostic) {
	panic("not written yet")
}

// Route says which way the events of a tag go that came in by input (an index into p.Inputs).
// It is pure and safe for concurrent use; callers cache what it returns.
func (p *Plan) Route(input int, tag string) Route { panic("not written yet") }
