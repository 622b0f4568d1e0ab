package check

import "github.com/firelane/firelane/ecs/taskdef"

// ReadRules are the rules about the form of a task definition, and about what isn't in the files that are checked: F590 and F591.
func ReadRules() []Rule {
	written := func(noted bool) func(*Subject, func(Finding)) {
		return func(s *Subject, tell func(Finding)) {
			for _, p := range s.Written {
				if (p.Grade == taskdef.Told) == noted {
					tell(Finding{Severity: map[taskdef.Grade]Severity{taskdef.Suspect: Warning, taskdef.Told: Note}[p.Grade], At: p.Place, Text: p.Text})
				}
			}
		}
	}
	return []Rule{
		{"F590", "task-form", Error, "a key or a value of a task definition is one that AWS refuses, or ignores", written(false)},
		{"F591", "not-checked", Note, "something isn't in the files that are checked, such as a configuration file in the image: what it would change is unknown", written(true)},
	}
}
