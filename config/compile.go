package config

// A Compiler turns configuration files into plans.
type Compiler struct {
	Catalogue []Plugin
	// Lookup gives environment variables, as os.LookupEnv does.
	Lookup func(name string) (value string, ok bool)
	// Hostname is what Fluentd's Socket.gethostname stands for; "" for the machine's own.
	Hostname string
}

// Compile reads the file, in the dialect that it is in, and everything that it includes. lookup gives environment
// variables. The diagnostics are every mistake that was found, in the order of the files (never only the first one);
// where there are any, the plan is good for its Warnings alone.
func Compile(file string, catalogue []Plugin, lookup func(string) (string, bool)) (*Plan, []Diagnostic) {
	return (&Compiler{Catalogue: catalogue, Lookup: lookup}).Compile(file)
}

// Compile is the package's Compile.
func (c *Compiler) Compile(file string) (*Plan, []Diagnostic) { panic("not written yet") }
