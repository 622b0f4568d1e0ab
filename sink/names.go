package sink

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
)

// A Namer is an options struct that can say which names its output's records get: an index, a log group, a topic.
type Namer interface {
	// Names returns the names; now dates those that have a date.
	Names(d config.Dialect, now time.Time) []Name
}

// A Name is one name that records get.
type Name struct {
	What    string         // index, log group, log stream, stream, bucket, object, topic
	Option  string         // the option that sets it, in the configuration's dialect
	Written string         // as the option has it, with today's date: Web-2026.11.26
	Used    string         // what is sent: web-2026.11.26
	Dynamic bool           // both have placeholders, which each record fills in
	Each    string         // how often it changes, as Each returns it; "": never
	Zone    *time.Location // of its date; nil: it has none
	Max     int            // the longest name that the service takes, in bytes; 0: not known
}

// String says for people what the name is: "index web-2026.11.26, a new one each day, UTC".
func (n Name) String() string {
	text := n.What + " " + n.Used
	switch placeholders := Around(n.Used, func(string) string { return "" }); {
	case n.Used == taskID:
		text += ", the task's id"
	case placeholders == taskID:
		text += ", with the task's id"
	case n.What == "object" && n.Dynamic: // a number, or the time of its first record
		text += ", filled in for each object"
	case n.Dynamic:
		text += ", filled in for each record"
	}
	if n.Each == "" {
		return text
	}
	zone := "UTC"
	if n.Zone != nil {
		zone = n.Zone.String()
	}
	if zone == "Local" {
		zone = "local time"
	}
	if n.Each == eachMinute {
		return text + ", one for each minute of the hour, used again every hour, " + zone
	}
	return text + ", a new one each " + n.Each + ", " + zone
}

// taskID is CloudWatch's placeholder for the id of the router's own task.
const taskID = "$(ecs_task_id)"

// Fill returns the name that an option's text stands for. clean is what the destination does to the parts that are no placeholders;
// nil: nothing. The text has conversions of strftime if n.Zone is set.
func (n Name) Fill(text string, now time.Time, clean func(literal string) string) Name {
	written := func(at time.Time) string { return n.dated(text, at) }
	used := written
	if clean != nil {
		used = func(at time.Time) string { return Around(written(at), clean) }
	}
	n.Written, n.Used, n.Dynamic = written(now), used(now), placeholder().MatchString(text)
	if n.Zone != nil {
		n.Each = Each(used, n.Zone)
	}
	return n
}

// dated is text with its conversions of strftime; as it is if it has none.
func (n Name) dated(text string, at time.Time) string {
	if n.Zone == nil || !strings.Contains(text, "%") {
		return text
	}
	f, err := field.ParseStrftime(text)
	if err != nil {
		return text
	}
	return string(f.Append(nil, at.In(n.Zone)))
}

// JoinNames is a Description's Name.
func JoinNames(names []Name) string {
	var list []string
	for _, n := range names {
		list = append(list, n.String())
	}
	return strings.Join(list, "; ")
}

// eachMinute is the Each of a name with a minute and no hour.
const eachMinute = "minute of the hour"

// Each is the shortest of second, minute, hour, day, week, month and year after which a name with a date may be another one; minute of
// the hour if it has the minute and no hour; "" if it never changes. name is the name at a time.
func Each(name func(at time.Time) string, zone *time.Location) string {
	// On January 1 no week begins, and within a week none of its days has the same date.
	start := time.Date(2026, time.January, 1, 0, 0, 0, 0, zone)
	first := name(start)
	for _, step := range []struct {
		each string
		to   time.Time
	}{
		{"second", start.Add(time.Second)},
		{"minute", start.Add(time.Minute)},
		{"hour", start.Add(time.Hour)},
		{"day", start.AddDate(0, 0, 1)},
		{"week", start.AddDate(0, 0, 7)},
		{"month", start.AddDate(0, 1, 0)},
		{"year", start.AddDate(1, 0, 0)},
	} {
		if name(step.to) != first {
			if step.each == "minute" && name(start.Add(time.Hour)) == first {
				return eachMinute
			}
			return step.each
		}
	}
	return ""
}

// Tag stands in a Name for a record's tag where no text of the configuration has a placeholder for it.
const Tag = "<tag>"

// placeholder matches what a record fills in: ${tag[1]}, $(ecs_task_id), $TAG[1], $kubernetes['pod'], and Tag.
var placeholder = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_@][A-Za-z0-9_@]*(?:\[[^\]]*\])*|` + Tag)
})

// Around returns text with f applied to all that is no placeholder.
func Around(text string, f func(literal string) string) string {
	var b strings.Builder
	end := 0
	for _, at := range placeholder().FindAllStringIndex(text, -1) {
		b.WriteString(f(text[end:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		end = at[1]
	}
	b.WriteString(f(text[end:]))
	return b.String()
}

// Pattern is a name with * for each placeholder, as ARNs have it: logs-${tag} is logs-*.
func Pattern(text string) string { return placeholder().ReplaceAllString(text, "*") }

// LiteralARN is a part of an ARN in which no character is a wildcard ("IAM policy elements: Variables and tags", special characters): a name
// from a configuration grants nothing but what has that name.
func LiteralARN(text string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(text)
}

// A NameChecker is an options struct that can say what is wrong with the names that it makes.
type NameChecker interface {
	NameProblems(d config.Dialect, now time.Time) []NameProblem
}

// A NameProblem is a name that isn't what its option seems to say.
type NameProblem struct {
	Kind   NameKind
	Option string // in the configuration's dialect
	Text   string // what is wrong, and what follows from it
	Want   string // what would be right; "" if Text says it
	Value  string // the option's value that would be right; "" if a person has to decide
	Minor  bool   // the program whose configuration it is does the same
}

// NameKind is the kind of a NameProblem.
type NameKind uint8

// The kinds of problems.
const (
	NameChanged  NameKind = iota // the service takes no such name: another one is used
	NameQuoted                   // the quotes are part of the value
	NameUndated                  // a date without a conversion: the name is always the same
	NameFrequent                 // the name changes every minute or second
	NameLong                     // it is longer than the service takes
	NameLiteral                  // what looks like a placeholder is text
	NameRefused                  // the service takes no such name
)

// NameWarnings are problems as lines of a log, which begin with the option.
func NameWarnings(problems []NameProblem) (lines []string) {
	for _, p := range problems {
		line := p.Option + " " + p.Text
		if p.Want != "" {
			line += "; " + p.Want
		}
		lines = append(lines, line)
	}
	return lines
}
