package format

import (
	"testing"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

func TestCSVIsQuotedInPlace(t *testing.T) {
	for _, c := range [][2]string{{"", `""`}, {"a", `"a"`}, {`"`, `""""`}, {`a"b""c`, `"a""b""""c"`}} {
		if got := quoteCSV(append([]byte("x,"), c[0]...), 2); string(got) != "x,"+c[1] {
			t.Errorf("%q: got %q, want %q after the comma", c[0], got, c[1])
		}
	}
}

// Fluentd's formats write values as Ruby does: 1.0 is no integer, nil is empty, and a hash has escapes.
func TestFluentdsFormatsWriteRubysText(t *testing.T) {
	body, err := record.AppendFromJSON(nil, []byte(`{"f":1.0,"n":-2,"z":null,"t":"a \"q\"","l":[2.0,null]}`))
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{
		"ltsv": "f:1.0\tn:-2\tz:\tt:a \"q\"\tl:[2.0,null]\n",
		"tsv":  "1.0\t\n",
		"hash": `{"f"=>1.0, "n"=>-2, "z"=>nil, "t"=>"a \"q\"", "l"=>[2.0, nil]}` + "\n",
	} {
		write, err := Fluentd(Options{Fields: []string{"f", "z"}, Replacement: " "}, kind)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := write(nil, &sink.Record{Event: record.Event{Body: body}}); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", kind, got, err, want)
		}
	}
}
