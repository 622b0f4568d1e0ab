package check

import (
	"os"
	"regexp"
	"testing"
)

var pageRow = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (.*?) \\| .* \\|$")

// Each difference of the page is told by check in the page's words, or known as one that no configuration shows.
func TestDifferencesAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]string{}
	for _, m := range pageRow.FindAllStringSubmatch(string(page), -1) {
		on[m[1]] = m[2]
	}
	if len(on) < 40 {
		t.Fatalf("got %d rows of docs/compatibility.md, want 40 or more", len(on))
	}
	known, numbers := map[string]bool{}, map[string]bool{}
	for _, d := range differences() {
		if known[d.id] || numbers[d.number] {
			t.Errorf("%s %s is there twice", d.number, d.id)
		}
		known[d.id], numbers[d.number] = true, true
		if d.text != "" && d.text != on[d.id] {
			t.Errorf("%s: got the sentence\n%s\nwant that of docs/compatibility.md\n%s", d.id, d.text, on[d.id])
		}
	}
	for id := range on {
		if !known[id] {
			t.Errorf("%s is in docs/compatibility.md, and differences has no row for it: add one, with an empty text if no configuration shows it", id)
		}
	}
}
