package enrich

import (
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

func TestSQLSelectsFieldsAndRecords(t *testing.T) {
	const in = `{"a":1,"b":"x","m":{"k":1},"http.status":200,"n":null}`
	for query, want := range map[string]string{
		"SELECT * FROM STREAM;":                                            in,
		"SELECT *, a AS z FROM STREAM;":                                    in,
		"select b as c, a from stream;":                                    `{"a":1,"c":"x"}`,
		"SELECT http.status AS s FROM STREAM s WHERE http.status >= 200 ;": `{"s":200}`,
		"SELECT zz FROM STREAM;":                                           `{}`,
		"SELECT a FROM STREAM WHERE b = 'x' AND (a = 2 OR n IS NULL);":     `{"a":1}`,
		"SELECT a FROM STREAM WHERE m;":                                    "",
		"SELECT a FROM STREAM WHERE a = 2;":                                "",
	} {
		f, err := NewSQL(&SQLOptions{Query: query}, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		ev, got := record.Event{Tag: "app", Body: body(t, in)}, ""
		if f.Apply(&ev, new(Scratch)) {
			got = string(record.AppendJSON(nil, ev.Body))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestWrongSQLIsRefused(t *testing.T) {
	for query, want := range map[string]string{
		"":                             "got the end, want SELECT",
		"SELECT a FROM STREAM":         "got the end, want ;",
		"SELECT a FROM TAG:'x';":       "got TAG, want STREAM",
		"SELECT NOW() FROM STREAM;":    "NOW() is not supported; want keys",
		"SELECT COUNT(*) FROM STREAM;": "COUNT() is not supported",
		"SELECT a FROM STREAM WHERE a = 1; SELECT":                       "got SELECT after the ;",
		"SELECT a FROM STREAM WHERE a = 'x;":                             "got a ' that is not closed",
		"SELECT a FROM STREAM WHERE " + strings.Repeat("(", 5000) + "a;": "more than 500 terms",
		"SELECT " + strings.Repeat("a", 20000) + " FROM STREAM;":         "longer than 16 KiB",
	} {
		if err := (&SQLOptions{Query: query}).Check(config.FluentBit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", query, err, want)
		}
	}
}
