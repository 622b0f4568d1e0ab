package bulk

import (
	"fmt"
	"strings"
	"unicode"
)

// illegal are the characters that no index name may have ("Create index API", path parameters).
const illegal = "\\/*?\"<>| ,#:"

// nameWarnings returns a line for each option that makes index names which no server takes: each record would be a dead letter.
func (o *Options) nameWarnings() (w []string) {
	add := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	name, option := o.Index, "index"
	if o.Logstash {
		name, option = o.LogstashPrefix, "logstash_prefix"
		w = append(w, o.dateWarnings()...)
	}
	text := fixedText(name)
	switch {
	case strings.HasPrefix(name, "<"): // date math: the server makes the name
	case strings.ContainsFunc(text, unicode.IsUpper):
		add("%s %q has capitals, which no index name may have: each record will be a dead letter; want %q", option, name, strings.ToLower(name))
	case strings.ContainsAny(text, illegal):
		add("%s %q has one of the characters %s, which no index name may have: each record will be a dead letter", option, name, illegal)
	case strings.HasPrefix(name, "-") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "+"):
		add("%s %q begins with %s, as no index name may: each record will be a dead letter", option, name, name[:1])
	}
	return w
}

// dateWarnings is nameWarnings for the date of daily indices.
func (o *Options) dateWarnings() (w []string) {
	format := o.LogstashDateFormat
	switch {
	case strings.Contains(format, "%"):
	case strings.ContainsFunc(format, unicode.IsUpper):
		return []string{fmt.Sprintf("logstash_dateformat %q has no conversion, and capitals, which no index name may have: each record will be a dead letter; want, for example, %%Y-%%m-%%d", format)}
	default:
		return []string{fmt.Sprintf("logstash_dateformat %q has no conversion, so that all days have one index; want, for example, %%Y-%%m-%%d", format)}
	}
	for _, c := range []struct{ conversion, is string }{
		{"%M", "is the minute: there will be an index a minute; the month is %m"},
		{"%S", "is the second: there will be an index a second"},
		{"%D", "is month/day/year, and no index name may have a slash; want %Y-%m-%d"},
		{"%b", "has a capital, which no index name may have; want %m"},
		{"%B", "has a capital, which no index name may have; want %m"},
		{"%a", "has a capital, which no index name may have; want %d"},
		{"%A", "has a capital, which no index name may have; want %d"},
		{"%T", "has colons, which no index name may have, and is the time of day; want %Y-%m-%d"},
	} {
		if strings.Contains(strings.ReplaceAll(format, "%%", ""), c.conversion) {
			w = append(w, fmt.Sprintf("logstash_dateformat: %s %s", c.conversion, c.is))
		}
	}
	if strings.ContainsFunc(fixedText(format), unicode.IsUpper) {
		w = append(w, fmt.Sprintf("logstash_dateformat %q has capitals besides its conversions, which no index name may have: each record will be a dead letter", format))
	}
	return w
}

// fixedText is what of a name is the same for all records: it ends at the first $, and has no conversions of strftime.
func fixedText(name string) string {
	name, _, _ = strings.Cut(name, "$")
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' {
			i++
			continue
		}
		out.WriteByte(name[i])
	}
	return out.String()
}
