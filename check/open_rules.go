package check

import (
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
)

// ReadRules are the rules about the form of a task definition, and about what isn't in the files that are checked: F590 and F591.
func ReadRules() []Rule {
	written := func(noted bool) func(*Subject, func(Finding)) {
		return func(s *Subject, tell func(Finding)) {
			for _, p := range s.Written {
				if (p.Grade >= taskdef.Told) == noted {
					text, want, _ := strings.Cut(problemText(p), "; want ")
					tell(Finding{Severity: map[taskdef.Grade]Severity{taskdef.Suspect: Warning, taskdef.Told: Note, taskdef.Assumed: Note}[p.Grade], At: p.Place, Text: sentence(text), Want: want})
				}
			}
		}
	}
	return []Rule{
		{"F590", "task-form", Error, "a key or a value of a task definition is one that AWS refuses or ignores, or the file can't be read or checked", written(false)},
		{"F591", "not-checked", Note, "something isn't in the files that are checked, such as a configuration file in the image: what it would change is unknown", written(true)},
	}
}

// problemText is a problem as a sentence without its full stop, about the value's own key.
func problemText(p taskdef.Problem) string {
	for _, verb := range []string{"is ", "has "} {
		if strings.HasPrefix(p.Text, verb) {
			key := p.Path[strings.LastIndexByte(p.Path, '.')+1:]
			if key == "" {
				key = "The task definition"
			}
			return key + " " + p.Text
		}
	}
	if p.Text == "" {
		return p.Text
	}
	return strings.ToUpper(p.Text[:1]) + p.Text[1:]
}
