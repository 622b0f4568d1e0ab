package check

import (
	"strings"

	"github.com/firelane/firelane/config"
)

// matchIsText tells of patterns that look like regular expressions, and aren't.
func matchIsText(s *Subject, tell func(Finding)) {
	p := s.usable()
	for i := range p.Filters {
		if f := &p.Filters[i]; f.Plugin != nil && f.Plugin.Kind != config.KindStream {
			s.textMatch(&f.Instance, f.Match, tell)
		}
	}
	for i := range p.Outputs {
		s.textMatch(&p.Outputs[i].Instance, p.Outputs[i].Match, tell)
	}
}

func (s *Subject) textMatch(in *config.Instance, match string, tell func(Finding)) {
	if s.fluentd() {
		if looksLikeRegexp(match, "^$()|+?") && !strings.Contains(match, "/") {
			tell(s.found(Warning, in.Pos, nil, "/"+match+"/ for a regular expression, or a pattern with * and **",
				"%s in <match> or <filter> has characters of a regular expression, which are text there: no tag matches", match))
		}
		return
	}
	g, ok := firstGiven(in, "match")
	if !ok || !looksLikeRegexp(g.Value, "^$()|[]+?\\\"") {
		return
	}
	if bare := strings.Trim(g.Value, `"'`); bare != g.Value && !looksLikeRegexp(bare, "^$()|[]+?\\") {
		tell(s.found(Warning, g.Pos, s.rewrite(g.Pos, g.Value, bare), bare, "The quotes are part of %s's value in this syntax: no tag matches %s", g.Name, g.Value))
		return
	}
	tell(s.found(Warning, g.Pos, s.rewrite(g.Pos, g.Name, g.Name+"_Regex"), g.Name+"_Regex "+g.Value,
		"%s %s has characters of a regular expression, which are text there: no tag matches, and no record gets here", g.Name, g.Value))
}

// looksLikeRegexp reports whether a pattern has one of some characters that tags don't have.
func looksLikeRegexp(pattern, chars string) bool { return strings.ContainsAny(pattern, chars) }
