package bulk

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// illegal are the characters that no index name may have ("Create index API", path parameters).
const illegal = "\\/*?\"<>| ,#:"

// CheckedWarnings is called by config after binding.
func (o *Options) CheckedWarnings(d config.Dialect) []string {
	w := sink.NameWarnings(o.NameProblems(d, time.Now()))
	if s := defaultServer(o, config.FluentBit); o.named() && o.Port == defaultPort && s.port == defaultPort && aws.RegionOf(s.host) != "" {
		w = append(w, fmt.Sprintf("host: %s is an AWS domain, which listens on port 443 with TLS, not on %d", s.host, s.port))
	}
	return w
}

// NameProblems implements sink.NameChecker. No server takes a name with capitals or some characters. Fluent Bit and Fluentd send it
// all the same, and lose the record; here the name is made legal, which is another one than the option's.
func (o *Options) NameProblems(d config.Dialect, now time.Time) (list []sink.NameProblem) {
	names := o.Names(d, now)
	if len(names) == 0 || strings.HasPrefix(names[0].Written, "<") && !o.Logstash { // date math: the server makes the name
		return nil
	}
	n, raw := names[0], o.Index
	option := o.indexOption(d)
	if o.Logstash {
		raw = o.LogstashPrefix
	}
	legal := legalText(raw)
	bare := strings.Trim(raw, `"`)
	switch {
	case o.TargetIndex != "":
	case !n.Dynamic && len(n.Written) > maxIndexName:
		list = append(list, sink.NameProblem{
			Kind: sink.NameLong, Option: option, Want: fmt.Sprintf("want one of at most %d bytes", max(len(raw)-len(n.Written)+maxIndexName, 1)),
			Text: fmt.Sprintf("makes names of %d bytes with their date, and an index name has at most %d: firelane uses its default name instead, and records go to %s", len(n.Written), maxIndexName, n.Used),
		})
	case d == config.FluentBit && bare != raw && len(raw) > len(bare)+1:
		list = append(list, sink.NameProblem{
			Kind: sink.NameQuoted, Option: option, Value: bare, Want: "want " + bare,
			Text: fmt.Sprintf("is %s with its quotes, which this syntax keeps and no index name may have: firelane leaves them out, and records go to %s%s", raw, n.Used, refused(d, raw)),
		})
	case !o.Logstash && (raw == "." || raw == ".."):
		list = append(list, sink.NameProblem{
			Kind: sink.NameChanged, Option: option, Want: "want another name",
			Text: fmt.Sprintf("%q is not a name that an index may have: firelane uses its default name instead, and records go to %s%s", raw, n.Used, refused(d, raw)),
		})
	case legal != raw:
		p := sink.NameProblem{
			Kind: sink.NameChanged, Option: option, Want: "want " + legal, Minor: d == config.Fluentd && strings.EqualFold(raw, legal),
			Text: fmt.Sprintf("%q %s: %s, and records go to %s%s", raw, whyIllegal(raw), mended(raw), n.Used, refused(d, raw)),
		}
		if strings.EqualFold(raw, legal) {
			p.Value = legal
		}
		list = append(list, p)
	}
	if o.Logstash {
		option = "logstash_dateformat"
		if dates := o.dateProblems(n, d, now); len(dates) > 0 {
			return append(list, dates...)
		}
	}
	return append(list, frequent(n, option)...)
}

// refused says what becomes of records whose index has that name with the program whose configuration it is. Fluentd's plugins make
// names lower-case, and nothing else.
func refused(d config.Dialect, name string) string {
	if d == config.FluentBit {
		return "; Fluent Bit sends the name as it is, and the cluster refuses each record"
	}
	if lower := strings.ToLower(name); string(sanitiseTail([]byte(lower))) == lower && strings.TrimLeft(lower, "-_+") == lower {
		return ", as in Fluentd"
	}
	return "; Fluentd sends these characters, and the cluster refuses each record"
}

// legalText is a name as an option has it, without what no index name may have; placeholders and conversions of strftime stay.
func legalText(raw string) string {
	legal := sink.Around(raw, func(s string) string {
		var out strings.Builder
		for {
			before, after, found := strings.Cut(s, "%")
			out.Write(sanitiseTail([]byte(before)))
			if !found {
				return out.String()
			}
			end := strings.IndexFunc(after, unicode.IsLetter) + 1
			out.WriteString("%" + after[:end])
			s = after[end:]
		}
	})
	return strings.TrimLeft(legal, "-_+")
}

// whyIllegal says why no index may have a name.
func whyIllegal(name string) string {
	text := fixedText(name)
	switch {
	case strings.ContainsFunc(text, unicode.IsUpper):
		return "has capitals, which no index name may have"
	case strings.ContainsAny(text, illegal):
		return "has " + illegalIn(text) + ", which no index name may have"
	}
	return "begins with " + name[:1] + ", as no index name may"
}

// mended says what firelane does with a name that no index may have.
func mended(name string) string {
	text := fixedText(name)
	switch capitals := strings.ContainsFunc(text, unicode.IsUpper); {
	case capitals && strings.ContainsAny(text, illegal):
		return "firelane makes it lower-case, without " + illegalIn(text)
	case capitals:
		return "firelane makes it lower-case"
	case strings.Count(illegalIn(text), " and ") > 0:
		return "firelane leaves them out"
	}
	return "firelane leaves it out"
}

// illegalIn lists the characters of a text that no index name may have.
func illegalIn(text string) string {
	var list []string
	for _, c := range illegal {
		if strings.ContainsRune(text, c) {
			name := "a " + string(c)
			if c == ' ' {
				name = "a space"
			}
			list = append(list, name)
		}
	}
	return strings.Join(list, " and ")
}

// frequent is the problem of a name that changes so often that the cluster would have thousands of indices.
func frequent(n sink.Name, option string) []sink.NameProblem {
	text := "makes a new index each " + n.Each
	switch n.Each {
	case "second", "minute":
	case "minute of the hour":
		text = "makes an index for each minute of the hour, and uses it again every hour"
	default:
		return nil
	}
	return []sink.NameProblem{{
		Kind: sink.NameFrequent, Option: option,
		Text: fmt.Sprintf("%s, such as %s; a cluster refuses new indices when it has its most shards (cluster.max_shards_per_node, 1,000 by default)", text, n.Used),
		Want: "want a date of days, such as %Y-%m-%d",
	}}
}

// dateProblems are those of the date of daily indices.
func (o *Options) dateProblems(n sink.Name, d config.Dialect, now time.Time) (list []sink.NameProblem) {
	const option = "logstash_dateformat"
	format := o.LogstashDateFormat
	if !strings.Contains(strings.ReplaceAll(format, "%%", ""), "%") {
		value := posixDate(format)
		want := "want, for example, %Y-%m-%d"
		if value != "" {
			want = "want " + value
		}
		return []sink.NameProblem{{
			Kind: sink.NameUndated, Option: option, Value: value, Want: want,
			Text: fmt.Sprintf("%q has no conversion of strftime, so that all days have one index, from which no day can be deleted: %s", format, undated(d, n)),
		}}
	}
	if strings.Contains(strings.ReplaceAll(format, "%%", ""), "%M") && strings.Contains(format, "%Y") && !strings.Contains(format, "%m") && !strings.Contains(format, "%H") {
		many := "60 indices"
		if strings.Contains(format, "%d") || strings.Contains(format, "%j") {
			many += " a day"
		}
		return []sink.NameProblem{{
			Kind: sink.NameFrequent, Option: option, Value: strings.ReplaceAll(format, "%M", "%m"), Want: "want " + strings.ReplaceAll(format, "%M", "%m"),
			Text: fmt.Sprintf("%q has the minute, %%M, where the month, %%m, is meant: there are %s, one for each minute of the hour, such as %s, and each is used again every hour", format, many, n.Used),
		}}
	}
	plain := dated(format, now)
	if clean := string(sanitiseTail([]byte(plain))); clean != plain {
		value := strings.NewReplacer("%%", "%%", "%D", "%Y-%m-%d", "%b", "%m", "%B", "%m", "%h", "%m", "/", "-", " ", "-", ":", "-").Replace(format)
		if after := dated(value, now); string(sanitiseTail([]byte(after))) != after {
			value = "" // something else is wrong, too
		}
		p := sink.NameProblem{
			Kind: sink.NameChanged, Option: option, Value: value,
			Text:  fmt.Sprintf("%q makes %s, which %s: %s, and records go to %s%s", format, plain, whyIllegal(plain), mended(plain), n.Used, refused(d, plain)),
			Minor: d == config.Fluentd && strings.EqualFold(clean, plain),
		}
		if value != "" {
			p.Want = "want " + value
		}
		list = append(list, p)
	}
	return list
}

// undated says what becomes of a name without a date, whose capitals may stand for one.
func undated(d config.Dialect, n sink.Name) string {
	switch {
	case n.Written == n.Used:
		return "records go to " + n.Used
	case d == config.Fluentd:
		return mended(n.Written) + ", and records go to " + n.Used + refused(d, n.Written)
	}
	return mended(n.Written) + ", and records go to " + n.Used + "; Fluent Bit sends " + n.Written + ", and the cluster refuses each record"
}

// posixDate is what a date in the notation of Java or of moment.js is in strftime's: YYYY-MM-DD is %Y-%m-%d; "" for all others.
func posixDate(format string) string {
	out := strings.NewReplacer("YYYY", "%Y", "yyyy", "%Y", "MM", "%m", "DD", "%d", "dd", "%d", "HH", "%H").Replace(format)
	if out == format || strings.ContainsFunc(strings.NewReplacer("%Y", "", "%m", "", "%d", "", "%H", "").Replace(out), unicode.IsLetter) {
		return ""
	}
	return out
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
