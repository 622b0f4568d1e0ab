package httpsend

import (
	"net/http"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestHeadersThatNoRequestCanCarryAreErrors(t *testing.T) {
	h := http.Header{}
	if err := AddHeaders(h, "header", []config.Pair{{Key: "X-A", Value: "b c"}, {Key: "x-a", Value: "d"}}); err != nil || len(h["X-A"]) != 2 {
		t.Errorf("got %v and error %v, want two values", h, err)
	}
	if err := SetHeaders(h, "custom_headers", `{"X-A": "e"}`); err != nil || h.Get("X-A") != "e" || len(h["X-A"]) != 1 {
		t.Errorf("got %v and error %v, want one value", h, err)
	}
	for _, p := range []config.Pair{{Key: "", Value: "a"}, {Key: "X A", Value: "a"}, {Key: "X-A", Value: "a\r\nX-B: c"}} {
		if AddHeaders(h, "header", []config.Pair{p}) == nil {
			t.Errorf("%q: got no error", p)
		}
	}
	if SetHeaders(h, "custom_headers", `{"X-A": 1}`) == nil || SetHeaders(h, "custom_headers", "") != nil {
		t.Error("a number or an empty option: got no error, or one")
	}
}
