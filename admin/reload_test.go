package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// fakeReloader is a Reloader with a fixed result.
type fakeReloader struct{ err error }

func (fakeReloader) Reloads() int64                 { return 7 }
func (r fakeReloader) Reload(context.Context) error { return r.err }

func TestReloadIsAnsweredAsByFluentBit(t *testing.T) {
	for _, c := range []struct {
		method string
		err    error
		code   int
		want   string
	}{
		{"GET", nil, 200, `{"hot_reload_count":7}`},
		{"POST", nil, 200, `{"reload":"done","status":0}`},
		{"PUT", nil, 200, `{"reload":"done","status":0}`},
		{"POST", ErrReloadOff, 200, `{"reload":"not enabled","status":-1}`},
		{"PUT", ErrReloadBusy, 400, `{"reload":"in progress","status":-2}`},
		{"POST", errors.New("x.conf:1: wrong"), 400, `{"reload":"failed","status":-3,"error":"x.conf:1: wrong"}`},
		{"DELETE", nil, 405, "Method Not Allowed"},
	} {
		mux := pages(fakeSource{}, "test", time.Now())
		reloadPage(mux, fakeReloader{c.err})
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, "/api/v2/reload", nil))
		if w.Code != c.code || w.Body.String() != c.want+"\n" {
			t.Errorf("%s after %v: got %d %q, want %d %s", c.method, c.err, w.Code, w.Body, c.code, c.want)
		}
	}
}

func TestAPageOfAnotherSiteCanNotReload(t *testing.T) {
	mux := pages(fakeSource{}, "test", time.Now())
	reloadPage(mux, fakeReloader{})
	r := httptest.NewRequest("POST", "/api/v2/reload", nil)
	r.Header.Set("Origin", "https://evil.example")
	w := httptest.NewRecorder()
	if mux.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("got %d, want 403", w.Code)
	}
}
