package config

// CompileText compiles a main file that isn't on disk.
func (c *Compiler) CompileText(name, text string) (*Plan, []Diagnostic) {
	k := newCompilation(c)
	k.compile(&file{name: name, text: text}, loader{main: name, names: []string{name}})
	return k.finish()
}
