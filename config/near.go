package config

import (
	"slices"
	"strings"
)

// maxNames is the most names that a message lists.
const maxNames = 12

// maxNameLength is the longest name, in bytes, that is compared with others.
const maxNameLength = 64

// fold returns a name in lower case, in which names are compared.
func fold(s string) string { return strings.ToLower(s) }

// nearest is the one of the names that name was probably meant to be, "" if none is similar: at most a third of the letters
// of name differ, or it is the beginning of the other.
func nearest(name string, names []string) string {
	if len(name) > maxNameLength {
		return ""
	}
	best, least := "", maxNameLength
	for _, n := range names {
		d := distance(fold(name), fold(n))
		like := d <= max(1, len(name)/3) || len(name) >= 3 && strings.HasPrefix(fold(n), fold(name))
		if like && d < least {
			best, least = n, d
		}
	}
	return best
}

// Nearest is the one of the names that name was probably meant to be, "" if none is similar.
func Nearest(name string, names []string) string { return nearest(name, names) }

// byNearness lists at most maxNames names, "a, b or c" where conjunction is or, the names most similar to name first.
func byNearness(name string, names []string, conjunction string) string {
	sorted := slices.Sorted(slices.Values(names))
	if name != "" {
		slices.SortStableFunc(sorted, func(a, b string) int {
			return distance(fold(name), fold(a)) - distance(fold(name), fold(b))
		})
	}
	if len(sorted) > maxNames {
		return strings.Join(sorted[:maxNames], ", ") + " " + conjunction + " others"
	}
	return enumerate(sorted, conjunction)
}

// wantOneOf is the end of a message about name that lists the names that exist, the most similar first.
func wantOneOf(name string, names []string) string {
	if len(names) == 0 {
		return "none is defined"
	}
	return "want " + byNearness(name, names, "or")
}

// enumerate writes "a, b and c" where conjunction is and.
func enumerate(names []string, conjunction string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " " + conjunction + " " + names[n]
}

// distance is how many bytes must be inserted, deleted, replaced or swapped with their neighbour to turn a into b.
func distance(a, b string) int {
	if len(a) > maxNameLength || len(b) > maxNameLength {
		return maxNameLength
	}
	var before, above [maxNameLength + 1]int
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		var row [maxNameLength + 1]int
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
