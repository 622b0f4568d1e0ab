package serve

import (
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// Each calls add for each event of Exchange.Events where these are pairs: a time, or nil for that of arrival, and a map.
func Each(events []byte, add func(t record.Time, rec []byte)) {
	now := time.Now()
	arrival := record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}
	for len(events) > 0 {
		t, rest, err := record.ReadTime(events)
		if err != nil { // nil
			t, rest = arrival, events[1:]
		}
		n, err := record.Check(rest)
		if err != nil {
			return // impossible: Take has made them
		}
		add(t, rest[:n])
		events = rest[n:]
	}
}

// CleanTag replaces in place what Fluent Bit replaces in a tag that a client chooses.
func CleanTag(tag []byte) []byte {
	for i, c := range tag {
		if c-'0' >= 10 && c|0x20-'a' >= 26 && c != '_' && c != '.' {
			tag[i] = '_'
		}
	}
	return tag
}

// MediaType is the Content-Type without its parameters.
func MediaType(r *http.Request) string {
	t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}
