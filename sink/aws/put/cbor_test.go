package put

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

// TestABodyInCBORSaysTheSameAsInJSON: it is read by the code of AWS's SDK.
func TestABodyInCBORSaysTheSameAsInJSON(t *testing.T) {
	s := &Sender{Field: "StreamName"}
	for _, n := range []int{0, 1, 23, 24, 255, 256, 65535, 65536, 1 << 20} {
		records := []Record{
			{Data: bytes.Repeat([]byte{0xff}, n), Key: bytes.Repeat([]byte{'k'}, min(n, 256)), Items: []int{0}},
			{Data: []byte("x\xff\x64Data"), Key: []byte("ü"), Items: []int{1}},
		}
		bodies := map[bool][]byte{}
		for _, inCBOR := range []bool{false, true} {
			c := &call{cbor: inCBOR}
			s.begin(c, "logs")
			for i := range records {
				c.add(&records[i])
			}
			s.finish(c, "logs")
			bodies[inCBOR] = c.body
		}
		var want struct {
			StreamName string
			Records    []struct {
				Data         []byte
				PartitionKey string
			}
		}
		if err := json.Unmarshal(bodies[false], &want); err != nil {
			t.Fatal(err)
		}
		v, err := cbor.Decode(bodies[true])
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		got := v.(cbor.Map)
		list := got["Records"].(cbor.List)
		if len(got) != 2 || got["StreamName"] != cbor.String(want.StreamName) || len(list) != len(want.Records) {
			t.Fatalf("%d bytes: got %.200q", n, bodies[true])
		}
		for i, r := range want.Records {
			m := list[i].(cbor.Map)
			if len(m) != 2 || !bytes.Equal(m["Data"].(cbor.Slice), r.Data) || m["PartitionKey"] != cbor.String(r.PartitionKey) {
				t.Errorf("%d bytes: record %d differs", n, i)
			}
		}
	}
}

func TestARecordWithoutAKeyHasNoneInCBOR(t *testing.T) {
	c := &call{cbor: true}
	s := &Sender{Field: "N"}
	s.begin(c, "a\xff")
	c.add(&Record{Data: []byte("x"), Items: []int{0}})
	s.finish(c, "a\xff")
	if want := "\xbf\x67Records\x9f\xbf\x64Data\x41x\xff\xff\x61N\x64a\xef\xbf\xbd\xff"; string(c.body) != want {
		t.Errorf("got  %q\nwant %q", c.body, want)
	}
}
