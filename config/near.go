package config

import (
	"slices"
	"strings"
)

// maxNames is how many names a message lists.
const maxNames = 12

// maxNameLength is the longest name, in bytes, that is compared with others.
const maxNameLength = 64

// fold is how names are compared: in lower case.
func fold(s string) string { return strings.ToLower(s) }

// nearest is the one of the names that name was probably meant to be, "" if none is like it: at most a third of its
// letters differ, or one begins with the other.
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

// byNearness lists names, those first that are most like name, maxNames at most.
func byNearness(name string, names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	if name != "" {
		slices.SortStableFunc(sorted, func(a, b string) int {
			return distance(fold(name), fold(a)) - distance(fold(name), fold(b))
		})
	}
	if len(sorted) > maxNames {
		return strings.Join(sorted[:maxNames], ", ") + " and others"
	}
	return enumerate(sorted, "and")
}

// thereAre is the part of a message that lists what exists, the names most like name first.
func thereAre(name string, names []string) string {
	switch len(names) {
	case 0:
		return "there is none"
	case 1:
		return "there is only " + names[0]
	}
	return "there are " + byNearness(name, names)
}

// enumerate writes "a, b and c".
func enumerate(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	n := len(names) - 1
	return strings.Join(names[:n], ", ") + " " + last + " " + names[n]
}

// distance is how many bytes have to be put in, taken out, changed or swapped with their neighbour to make b of a.
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
