package dead

import (
	"path"
	"slices"
	"strings"
	"time"
)

// A Filter selects entries. One that is nil or empty selects all.
type Filter struct {
	Index        string    // as written in the entry; * and ? match as in path.Match; "": any
	Reason       string    // part of the error type or the reason, in any case; "": any
	Field        string    // the field that the destination refused, as in Conflict; "": any
	Since, Until time.Time // when it was given up: from Since, before Until; zero: any
	IDs          []string  // none: any
}

// All reports whether the filter selects all entries.
func (f *Filter) All() bool {
	return f == nil || f.Index == "" && f.Reason == "" && f.Field == "" && f.Since.IsZero() && f.Until.IsZero() && len(f.IDs) == 0
}

// Check returns path.ErrBadPattern if Index is no pattern.
func (f *Filter) Check() error {
	_, err := path.Match(f.Index, "")
	return err
}

// Match reports whether the filter selects an entry.
func (f *Filter) Match(e *Entry) bool {
	if f.All() {
		return true
	}
	in := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(f.Reason)) }
	switch {
	case f.Index != "" && !matches(f.Index, e.Index),
		f.Reason != "" && !in(e.Type) && !in(e.Reason),
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && !e.Time.Before(f.Until),
		len(f.IDs) > 0 && !slices.Contains(f.IDs, e.ID):
		return false
	case f.Field == "":
		return true
	}
	c, ok := e.Conflict()
	return ok && c.Field == f.Field
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
