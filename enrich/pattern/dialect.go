package pattern

import (
	"fmt"
	"strings"
)

// CompileFluentBit reads a pattern as Fluent Bit does: plain, or as /pattern/ with the flags i, m, o and x. What looks
// like the latter and has other flags is a plain pattern.
func CompileFluentBit(source string, onTimeout func()) (*Pattern, error) {
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imox") != "" {
		return Compile(source, Flags{}, onTimeout)
	}
	return Compile(inner, flagsOf(letters), onTimeout)
}

// CompileRuby reads a pattern as Fluentd does: plain, or as /pattern/ with the flags i, m and x.
func CompileRuby(source string, onTimeout func()) (*Pattern, error) {
	if !strings.HasPrefix(source, "/") {
		return Compile(source, Flags{}, onTimeout)
	}
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imx") != "" {
		return nil, fmt.Errorf("pattern %q begins with a slash: it has to end in one, with the flags i, m and x at most", source)
	}
	return Compile(inner, flagsOf(letters), onTimeout)
}

// slashes takes /inner/letters apart.
func slashes(source string) (inner, letters string, ok bool) {
	end := strings.LastIndexByte(source, '/')
	if end < 1 || source[0] != '/' {
		return "", "", false
	}
	return source[1:end], source[end+1:], true
}

func flagsOf(letters string) Flags {
	return Flags{
		IgnoreCase: strings.Contains(letters, "i"),
		DotAll:     strings.Contains(letters, "m"),
		Extended:   strings.Contains(letters, "x"),
	}
}
