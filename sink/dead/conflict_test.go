package dead

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// The reasons are those of OpenSearch 2.19 and 3 and of Elasticsearch 7.10, 8.17 and 9.
func TestAConflictNamesTheFieldAndBothTypes(t *testing.T) {
	for _, c := range []struct{ reason, record, want string }{
		{`failed to parse field [n] of type [long] in document with id 'x'. Preview of field's value: 'abc': For input string: "abc"`, `{"n":"abc"}`,
			`field n is long in the index, and the record has a string: "abc"`},
		{`[1:30] failed to parse field [user.id] of type [long] in document with id 'x'. Preview of field's value: '{a=1}'`, `{"user":{"id":{"a":1}}}`,
			`field user.id is long in the index, and the record has an object: {"a":1}`},
		{`failed to parse field [@timestamp] of type [date] in document with id 'x'. Preview of field's value: 'soon'`, `{"log":"x"}`,
			`field @timestamp is date in the index, and the record has 'soon'`},
		{`object mapping for [user] tried to parse field [user] as object, but found a concrete value`, `{"user":true}`,
			`field user is object in the index, and the record has a boolean: true`},
		{`mapper [a] cannot be changed from type [long] to [text]`, `{"b":1}`, `field a is long in the index, and the record has a text`},
		{`mapper [a] cannot be changed from type [long] to [text]`, `{"a":["x"]}`, `field a is long in the index, and the record has an array: ["x"]`},
		{`Could not dynamically add mapping for field [a.b]. Existing mapping for [a] must be of type object but found [text].`, `{"a.b":1}`,
			`field a is text in the index, and the record has an object`},
		{`mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed`, `{"x":null}`, `field x, and the record has a null: null`},
		{`failed to parse field [a.b] of type [ip] in document with id 'x'`, `{"a":[{"c":1},{"b":"::g"}]}`, `field a.b is ip in the index, and the record has a string: "::g"`},
		{`failed to parse field [a.b.c] of type [long]`, `{"a.b":{"c":"` + strings.Repeat("é", 99) + `"}}`,
			`field a.b.c is long in the index, and the record has a string: "` + strings.Repeat("é", 49) + "\ufffd…"},
		{`Limit of total fields [1000] has been exceeded`, `{}`, ""},
		{`failed to parse`, `{}`, ""},
	} {
		e := Entry{Reason: c.reason, Record: json.RawMessage(c.record)}
		got := ""
		if conflict, ok := e.Conflict(); ok {
			got = conflict.String()
		}
		if got != c.want {
			t.Errorf("%s of %s:\ngot  %q\nwant %q", c.reason, c.record, got, c.want)
		}
	}
}

func TestAFilterSelectsByAllThatItHas(t *testing.T) {
	at := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	e := &Entry{Time: at, Index: "web-2026-11-27", Type: "mapper_parsing_exception", Reason: "failed to parse field [n] of type [long]", ID: "a"}
	for _, c := range []struct {
		filter *Filter
		want   bool
	}{
		{nil, true},
		{&Filter{}, true},
		{&Filter{Index: "web-*", Reason: "FAILED", Field: "n", Since: at, Until: at.Add(1), IDs: []string{"b", "a"}}, true},
		{&Filter{Reason: "parsing_"}, true},
		{&Filter{Index: "web"}, false},
		{&Filter{Reason: "other"}, false},
		{&Filter{Field: "long"}, false},
		{&Filter{Since: at.Add(1)}, false},
		{&Filter{Until: at}, false},
		{&Filter{IDs: []string{"b"}}, false},
	} {
		if got := c.filter.Match(e); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.filter, got, c.want)
		}
	}
}

// keepOdd sends the even entries of a claimed file, and keeps the others.
func keepOdd(t *testing.T, claimed string) *Rest {
	t.Helper()
	rest, n := NewRest(claimed), 0
	for e, err := range Read(claimed) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%2 == 0 {
			if err := rest.Keep(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return rest
}

func TestTheRestOfAClaimedFileIsKeptAsTheOldest(t *testing.T) {
	dir := t.TempDir()
	d := newFile(dir, "es.0", zerolog.Nop())
	for _, text := range []string{"1", "2", "3", "4"} {
		d.Put(deadRecord(text, 1))
	}
	claimed, err := Claim(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	d.Put(deadRecord("5", 1)) // the router runs on
	if err := keepOdd(t, claimed).Finish(); err != nil {
		t.Fatal(err)
	}
	d.Put(deadRecord("6", 1))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, dir), []string{"2", "4", "5", "6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{d.Path(), d.Path() + ".1"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got the files %q, want %q", names, want)
	}
}

func TestOneProcessAtATimeSendsADeadLetterAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "es.0"+Suffix)
	unlock, err := Lock(path + ".1" + claimed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, want that the dead letter is being sent", err)
	}
	other, err := Lock(filepath.Join(dir, "es.1"+Suffix))
	if err != nil {
		t.Errorf("got %v, want the lock of another dead letter", err)
	} else {
		other()
	}
	unlock()
	if unlock, err = Lock(path); err != nil {
		t.Fatal(err)
	}
	unlock()
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) > 0 {
		t.Errorf("got the files %q and error %v, want none left", names, err)
	}
}

func TestADiscardedRestLeavesTheClaimedFile(t *testing.T) {
	dir := t.TempDir()
	d := newFile(dir, "es.0", zerolog.Nop())
	d.Put(deadRecord("1", 1))
	d.Put(deadRecord("2", 1))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	claimed, err := Claim(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	keepOdd(t, claimed).Discard()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if got := readAll(t, dir); err != nil || !slices.Equal(got, []string{"1", "2"}) || len(names) != 1 {
		t.Errorf("got %q in the files %q, want both records in the claimed file", got, names)
	}
	rest := NewRest(claimed)
	if err := rest.Finish(); err != nil || len(readAll(t, dir)) != 0 {
		t.Errorf("got %v and %q, want the claimed file removed, since nothing was kept", err, readAll(t, dir))
	}
}
