package pattern

import (
	"cmp"
	"slices"
	"unicode"
)

// A span is the runes lo to hi, both included.
type span struct{ lo, hi rune }

// A runeSet is a set of runes as ascending spans that neither overlap nor touch.
type runeSet []span

// normal sorts spans and joins those that overlap or touch.
func normal(s []span) runeSet {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s runeSet) union(t runeSet) runeSet { return normal(slices.Concat(s, t)) }

func (s runeSet) complement() runeSet {
	var out runeSet
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, span{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

func (s runeSet) intersect(t runeSet) runeSet {
	return s.complement().union(t.complement()).complement()
}

// folded adds every rune that differs from one in the set only in case.
func (s runeSet) folded() runeSet {
	out := slices.Clone([]span(s))
	for _, r := range s {
		for c := r.lo; c <= r.hi; c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				out = append(out, span{f, f})
			}
		}
	}
	return normal(out)
}

// tables is the union of Unicode's tables.
func tables(ts ...*unicode.RangeTable) runeSet {
	var out []span
	for _, t := range ts {
		for _, r := range t.R16 {
			out = appendStride(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			out = appendStride(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return normal(out)
}

func appendStride(out []span, lo, hi, stride rune) []span {
	if stride == 1 {
		return append(out, span{lo, hi})
	}
	for c := lo; c <= hi; c += stride {
		out = append(out, span{c, c})
	}
	return out
}

// The classes \d, \w, \s and \h: ASCII only, as in Ruby.
func digits() runeSet { return runeSet{{'0', '9'}} }
func words() runeSet  { return runeSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}} }
func spaces() runeSet { return runeSet{{'\t', '\r'}, {' ', ' '}} }
func hexes() runeSet  { return runeSet{{'0', '9'}, {'A', 'F'}, {'a', 'f'}} }

// property is the set of that POSIX bracket or \p{…}, for all of Unicode. name is in lower case.
func property(name string) (runeSet, bool) {
	alpha := func() runeSet { return tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic) }
	blank := func() runeSet { return tables(unicode.Zs).union(runeSet{{'\t', '\t'}}) }
	graph := func() runeSet {
		return tables(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Cf, unicode.Co)
	}
	switch name {
	case "alpha":
		return alpha(), true
	case "digit":
		return tables(unicode.Nd), true
	case "alnum":
		return alpha().union(tables(unicode.Nd)), true
	case "upper":
		return tables(unicode.Lu, unicode.Other_Uppercase), true
	case "lower":
		return tables(unicode.Ll, unicode.Other_Lowercase), true
	case "space":
		return tables(unicode.White_Space), true
	case "blank":
		return blank(), true
	case "cntrl":
		return tables(unicode.Cc), true
	case "punct":
		return tables(unicode.P).union(normal([]span{{'$', '$'}, {'+', '+'}, {'<', '>'}, {'^', '^'}, {'`', '`'}, {'|', '|'}, {'~', '~'}})), true
	case "graph":
		return graph(), true
	case "print":
		return graph().union(tables(unicode.Zs)), true
	case "xdigit":
		return hexes(), true
	case "word":
		return alpha().union(tables(unicode.M, unicode.Nd, unicode.Pc)), true
	case "ascii":
		return runeSet{{0, 0x7f}}, true
	case "any":
		return runeSet{{0, unicode.MaxRune}}, true
	}
	return unicodeProperty(name)
}

// unicodeProperty finds a category, script or property of Unicode. As in Ruby, case, blanks, hyphens and underscores are
// ignored.
func unicodeProperty(name string) (runeSet, bool) {
	for _, group := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts, unicode.Properties} {
		for n, t := range group {
			if plain(n) == name {
				return tables(t), true
			}
		}
	}
	return nil, false
}

func plain(name string) string {
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '-' || c == ' ':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
