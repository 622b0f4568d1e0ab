package config

import (
	"fmt"
	"slices"
	"strings"
)

// unknownOption warns of an option that doesn't exist.
func (g *binding) unknownOption(p param) {
	existing := names(g.schema.params)
	text := fmt.Sprintf("%s: unknown option %s, which is ignored", g.what, p.key)
	if name, sign := g.withSign(p.key); sign != "" {
		g.warning(p.pos, fmt.Sprintf("%s: there is no %s between name and value in this syntax; want %s", text, sign, name)).as(CodeSign).fix(p.key, name)
		return
	}
	if here := g.here(p.key); here != "" {
		d := g.warning(p.pos, fmt.Sprintf("%s: it is %s's; here it is %s", text, g.dialect.other().product(), here)).as(CodeDialect)
		if !strings.Contains(here, " ") {
			d.fix(p.key, here)
		}
		return
	}
	if g.dialect == FluentBit && isUnsupported(g.what, p.key) {
		g.warning(p.pos, fmt.Sprintf("%s: %s has no effect here: firelane doesn't have this option of Fluent Bit", g.what, p.key)).as(CodeIgnored)
		return
	}
	n := nearest(p.key, existing)
	if n != "" {
		text += ": did you mean " + n + "?"
	}
	g.warning(p.pos, text).as(CodeOption).fix(p.key, n)
}

// unknownSection warns of a section that doesn't exist.
func (g *binding) unknownSection(sub *section) {
	text := fmt.Sprintf("%s: unknown section <%s>, which is ignored", g.what, sub.name)
	n := nearest(sub.name, names(g.schema.sections))
	if n != "" {
		text += ": did you mean <" + n + ">?"
	}
	g.warning(sub.pos, text).as(CodeSection).fix(sub.name, n)
}

// withSign returns the option that a name with : or = at its end means, as in "Host: x", "Host = x" and "Host=x".
func (g *binding) withSign(key string) (name, sign string) {
	at := strings.IndexAny(key, ":=")
	if at <= 0 || at < len(key)-1 && key[at] == ':' {
		return "", ""
	}
	if g.schema.params[g.key(key[:at])] == nil && !isCommon(g.key(key[:at])) {
		return "", ""
	}
	return key[:at], key[at : at+1]
}

// isCommon reports whether every plugin has the option.
func isCommon(name string) bool {
	switch name {
	case "name", "match", "match_regex", "alias", "log_level", "log_suppress_interval", "@type", "@id", "@label", "@log_level":
		return true
	}
	return false
}

// other is the other dialect.
func (d Dialect) other() Dialect {
	if d == Fluentd {
		return FluentBit
	}
	return Fluentd
}

// here is what an option of the other dialect is called in this one; "" for one that the other dialect doesn't have.
func (g *binding) here(key string) string {
	if g.other == nil {
		g.other = schemaOf(g.into.Type(), g.dialect.other())
	}
	if theirs := g.other.params[fold(key)]; theirs != nil {
		for i := range g.schema.options {
			if o := &g.schema.options[i]; slices.Equal(o.index, theirs.index) {
				return o.names[0]
			}
		}
	}
	for _, e := range equivalents[g.dialect] {
		if e.theirs == fold(key) && (e.needs == "" || g.schema.params[e.needs] != nil) {
			return e.here
		}
	}
	return ""
}

// equivalents are options of the other dialect for which this one has something else. needs is an option that the plugin must have.
var equivalents = map[Dialect][]struct{ theirs, needs, here string }{
	Fluentd: {
		{"name", "", "@type"},
		{"match", "", "the pattern in <match PATTERN>"},
		{"alias", "", "@id"},
		{"tls", "scheme", "scheme https"},
		{"tls", "use_ssl", "use_ssl true"},
		{"tls", "transport", "transport tls"},
		{"tls", "protocol", "protocol https"},
		{"tls", "endpoint", "https:// in endpoint"},
		{"tls", "url", "https:// in url"},
		{"host", "endpoint", "part of endpoint"},
		{"port", "endpoint", "part of endpoint"},
		{"uri", "endpoint", "part of endpoint"},
		{"storage.total_limit_size", "", "total_limit_size in <buffer>"},
		{"aws_auth", "", "a section <endpoint>"},
		{"aws_region", "", "region in <endpoint>"},
		{"aws_role_arn", "", "assume_role_arn in <endpoint>"},
	},
	FluentBit: {
		{"@type", "", "name"},
		{"@id", "", "alias"},
		{"scheme", "tls", "tls on"},
		{"use_ssl", "tls", "tls on"},
		{"transport", "tls", "tls on"},
		{"hosts", "upstream", "upstream, a file that lists the servers"},
		{"flush_interval", "", "flush in [SERVICE]"},
		{"chunk_limit_size", "", "not needed: requests have their own limit"},
		{"total_limit_size", "retry_limit", "storage.total_limit_size"},
	},
}
