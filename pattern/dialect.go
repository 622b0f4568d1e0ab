package pattern

import (
	"fmt"
	"strings"
)

// CompileFluentBit compiles a pattern in Fluent Bit's notation: plain, or /pattern/ with the flags i, m, o and x. With other
// letters after the second slash it is a plain pattern, slashes included.
func CompileFluentBit(source string, onTimeout func()) (*Pattern, error) {
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imox") != "" {
		return Compile(source, Flags{}, onTimeout)
	}
	return Compile(inner, flagsOf(letters), onTimeout)
}

// CompileFluentBitCapture is CompileFluentBit for the text that named groups match.
func CompileFluentBitCapture(source string, onTimeout func()) (*Capture, error) {
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imox") != "" {
		return CompileCapture(source, Flags{}, onTimeout)
	}
	return CompileCapture(inner, flagsOf(letters), onTimeout)
}

// CompileRubyCapture is CompileRuby for the text that named groups match.
func CompileRubyCapture(source string, onTimeout func()) (*Capture, error) {
	if _, err := CompileRuby(source, nil); err != nil {
		return nil, err
	}
	return CompileFluentBitCapture(source, onTimeout)
}

// CompileMatch compiles Fluent Bit's Match_Regex, in the same notation. It has to match at the beginning of a tag.
func CompileMatch(source string) (*Pattern, error) {
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imox") != "" {
		inner, letters = source, ""
	}
	if _, err := Compile(inner, flagsOf(letters), nil); err != nil {
		return nil, err // that of the pattern as it was written
	}
	return Compile(`\A(?:`+inner+`)`, flagsOf(letters), nil)
}

// CompileRuby compiles a pattern in Fluentd's notation: plain, or /pattern/ with the flags i, m and x.
func CompileRuby(source string, onTimeout func()) (*Pattern, error) {
	if !strings.HasPrefix(source, "/") {
		return Compile(source, Flags{}, onTimeout)
	}
	inner, letters, ok := slashes(source)
	if !ok || strings.Trim(letters, "imx") != "" {
		return nil, fmt.Errorf("pattern %q begins with a slash and doesn't end in one; want /pattern/ with no flags but i, m and x", source)
	}
	return Compile(inner, flagsOf(letters), onTimeout)
}

// slashes splits /inner/letters.
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
