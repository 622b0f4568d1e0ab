package parquet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	oracle "github.com/parquet-go/parquet-go"

	"github.com/firelane/firelane/sink/s3/parquet"
)

// compressions are all compressions that NewEncoder takes.
var compressions = []string{"none", "snappy", "gzip", "zstd"}

// encode makes a file of groups of JSON lines.
func encode(t testing.TB, compression string, groups ...string) []byte {
	t.Helper()
	e, err := parquet.NewEncoder(compression)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := parquet.New(e)
	for _, lines := range groups {
		appendGroup(t, f, &out, lines)
	}
	if err := f.Close(&out); err != nil {
		t.Fatal(err)
	}
	if f.Size() != int64(out.Len()) {
		t.Fatalf("the file says that it has %d bytes; it has %d", f.Size(), out.Len())
	}
	return out.Bytes()
}

func appendGroup(t testing.TB, f *parquet.File, out *bytes.Buffer, lines string) {
	t.Helper()
	var rows parquet.Rows
	rows.Add([]byte(lines))
	if err := f.Append(out, &rows); err != nil {
		t.Fatal(err)
	}
}

// decode reads a file: each row as its fields in the order of the columns, without nulls.
func decode(t testing.TB, file []byte) (rows []string) {
	t.Helper()
	f, err := oracle.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	columns := f.Schema().Columns()
	r := oracle.NewReader(f)
	defer r.Close()
	buf := make([]oracle.Row, 16)
	for int64(len(rows)) < f.NumRows() {
		n, err := r.ReadRows(buf)
		if n == 0 {
			t.Fatalf("after %d rows of %d: %v", len(rows), f.NumRows(), err)
		}
		for _, row := range buf[:n] {
			var fields []string
			for _, v := range row {
				if !v.IsNull() {
					fields = append(fields, fmt.Sprintf("%s=%s:%v", columns[v.Column()][0], v.Kind(), v))
				}
			}
			rows = append(rows, strings.Join(fields, " "))
		}
	}
	return rows
}

func check(t *testing.T, file []byte, want ...string) {
	t.Helper()
	got := decode(t, file)
	for i := range max(len(got), len(want)) {
		g, w := "none", "none"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("row %d: got %s, want %s", i, g, w)
		}
	}
}

func TestFieldsBecomeColumnsOfTheirType(t *testing.T) {
	for _, c := range compressions {
		check(t, encode(t, c, `{"date":"2026-11-26T00:00:00Z","n":7,"f":0.5,"ok":true,"m":{"a":[1,"x"]},"none":null}
{"n":-9223372036854775808,"ok":false,"f":3,"l":[1,2]}
{}
`), `date=BYTE_ARRAY:2026-11-26T00:00:00Z n=INT64:7 f=DOUBLE:0.5 ok=BOOLEAN:true m=BYTE_ARRAY:{"a":[1,"x"]}`,
			`n=INT64:-9223372036854775808 f=DOUBLE:3 ok=BOOLEAN:false l=BYTE_ARRAY:[1,2]`,
			``)
	}
}

func TestAFieldOfSeveralTypesInTheFirstGroupIsText(t *testing.T) {
	check(t, encode(t, "snappy", `{"v":1}
{"v":"x"}
{"v":true}
`), `v=BYTE_ARRAY:1`, `v=BYTE_ARRAY:x`, `v=BYTE_ARRAY:true`)
}

func TestALaterGroupMayHaveMoreColumns(t *testing.T) {
	check(t, encode(t, "zstd", `{"a":1}
{"a":2}
`, `{"b":"x","a":3}
`, `{"c":true}
`), `a=INT64:1`, `a=INT64:2`, `a=INT64:3 b=BYTE_ARRAY:x`, `c=BOOLEAN:true`)
}

func TestWhatFitsNoColumnIsKept(t *testing.T) {
	check(t, encode(t, "gzip", `{"a":1,"f":0.5,"b":false}
`, `{"a":"text","f":9007199254740993,"b":1,"_other":"own"}
{"a":18446744073709551615}
{"a":1,"a":2}
`), `a=INT64:1 f=DOUBLE:0.5 b=BOOLEAN:false`,
		`_other=BYTE_ARRAY:{"a":"text","f":9007199254740993,"b":1,"_other":"own"}`,
		`_other=BYTE_ARRAY:{"a":18446744073709551615}`,
		`a=INT64:1 _other=BYTE_ARRAY:{"a":2}`)
}

func TestManyFieldsTakeNoMoreThanTheirColumns(t *testing.T) {
	line := map[string]int{}
	for i := range 1000 {
		line[fmt.Sprintf("f%03d", i)] = i
	}
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	row := decode(t, encode(t, "none", string(text)+"\n"))[0]
	if !strings.HasPrefix(row, "f000=INT64:0 ") || !strings.Contains(row, " f127=INT64:127 _other=") || !strings.HasSuffix(row, `"f999":999}`) {
		t.Errorf("got %.60s…, want 128 columns, and the rest in _other", row)
	}
}

func TestALineThatIsNoObjectIsText(t *testing.T) {
	check(t, encode(t, "none", "plain \xff text\n[1]\n{broken\n"), "log=BYTE_ARRAY:plain \ufffd text", "log=BYTE_ARRAY:[1]", "log=BYTE_ARRAY:{broken")
}

func TestAFileWithoutRecordsCanBeRead(t *testing.T) { check(t, encode(t, "snappy")) }

// Records that are appended again after a Rollback are in the file once, whatever columns the first attempt had.
func TestARollbackForgetsWhatWasNotCommitted(t *testing.T) {
	e, _ := parquet.NewEncoder("snappy")
	f := parquet.New(e)
	var kept, lost bytes.Buffer
	appendGroup(t, f, &kept, `{"a":1}`)
	f.Commit()
	appendGroup(t, f, &lost, `{"b":2,"a":"x"}`)
	if err := f.Close(&lost); err != nil {
		t.Fatal(err)
	}
	f.Rollback()
	appendGroup(t, f, &kept, `{"c":3}`)
	if err := f.Close(&kept); err != nil {
		t.Fatal(err)
	}
	check(t, kept.Bytes(), `a=INT64:1`, `c=INT64:3`)
}

func TestManyGroupsOfRandomRecords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var groups, want []string
	for range 40 {
		var group strings.Builder
		for range rnd.IntN(50) + 1 {
			n, word := rnd.Int64(), strings.Repeat("é", rnd.IntN(20))
			if rnd.IntN(3) == 0 {
				fmt.Fprintf(&group, "{\"n\":%d}\n", n)
				want = append(want, fmt.Sprintf("n=INT64:%d", n))
				continue
			}
			fmt.Fprintf(&group, "{\"n\":%d,\"word\":%q}\n", n, word)
			want = append(want, fmt.Sprintf("n=INT64:%d word=BYTE_ARRAY:%s", n, word))
		}
		groups = append(groups, group.String())
	}
	for _, c := range compressions {
		check(t, encode(t, c, groups...), want...)
	}
}

func FuzzAnyLinesMakeAFileThatCanBeRead(f *testing.F) {
	f.Add("{\"a\":1}\n", "{\"a\":[]}\n{}\n")
	f.Add("x", "")
	f.Add("{\"\":0,\"\":1}", "{\"_other\":{\"a\":null}}")
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := 0
		for _, text := range []string{first, second} {
			for _, line := range strings.Split(text, "\n") {
				if line != "" {
					lines++
				}
			}
		}
		if got := len(decode(t, encode(t, "snappy", first, second))); got != lines {
			t.Errorf("got %d rows, want %d", got, lines)
		}
	})
}
