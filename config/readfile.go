package config

// ReadFile reads a file that an option names, such as a script, for a plugin whose section is at at. A relative name is
// looked for beside that configuration file, then beside the main file, then in the working directory. If the file doesn't
// exist the built-in one of that path is used. A tool's files in memory come first. It returns the text and the path; the error names the file.
func (p *Plan) ReadFile(name string, at Pos) (text, path string, err error) {
	l := loader{main: at.File, files: p.inMemory}
	if len(p.Files) > 0 {
		l.main = p.Files[0]
	}
	paths := l.candidates(name, &file{name: at.File})
	path = paths[0]
	for _, p := range paths {
		if l.exists(p) {
			path = p
			break
		}
	}
	text, err = l.text(path, true)
	return text, path, err
}
