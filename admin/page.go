package admin

import (
	"embed"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/firelane/firelane/router"
)

// pageFiles are the status page: plain files, which load nothing from elsewhere.
//
//go:embed page
var pageFiles embed.FS

// A Watched is the router that the status page shows, and `firelane top` and `firelane tail`.
type Watched interface {
	Status() router.Status
	Pipeline() router.Pipeline
	Refusals() []router.Refusal
	Orphans() []router.Orphan
	Reloads() int64
	Tap(v *router.Viewer) (end func(), err error)
}

// The values of http_records.
const (
	RecordsLocal = "local"
	RecordsOn    = "on"
	RecordsOff   = "off"
)

// showsRecords reports whether a server that listens on addr shows log records, by the option http_records.
func showsRecords(addr, option string) bool {
	switch option {
	case RecordsOn:
		return true
	case RecordsOff:
		return false
	}
	host := hostOf(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A watch serves what the status page shows. records is whether it may show log records.
type watch struct {
	Config
	records bool
}

// watchPages adds the JSON of the status page to pages.
func watchPages(pages *http.ServeMux, w *watch) {
	if w.Watched == nil {
		return
	}
	pages.Handle("GET /api/firelane/status", ownPage(w.status))
	pages.Handle("GET /api/firelane/tail", ownPage(w.onlyRecords(w.tail)))
	pages.Handle("GET /api/firelane/usage", ownPage(w.onlyRecords(w.usage)))
}

// ownPage answers requests of this server's own page, and of clients that aren't browsers. Another site's page can't read the answer
// in any case; here it doesn't use up a viewer either.
func ownPage(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "error: this is for the router's own page", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		answer(w, r)
	})
}

// recordsOffText is the answer where records are not shown.
const recordsOffText = "Log records are not shown here, because http_listen is not a loopback address or http_records is off. " +
	"HTTP_Records On shows them; firelane tail in the container does, too."

func (wt *watch) onlyRecords(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !wt.records {
			http.Error(w, "error: "+recordsOffText, http.StatusForbidden)
			return
		}
		answer(w, r)
	}
}

// rootPage adds the status page to pages. At / clients that don't ask for HTML get Fluent Bit's answer.
func rootPage(pages *http.ServeMux, version string) {
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			pageFile(w, "index.html", "text/html; charset=utf-8")
			return
		}
		writeJSON(w, map[string]any{"firelane": map[string]string{"version": version}})
	})
	for name, kind := range map[string]string{"page.css": "text/css", "page.js": "text/javascript", "tail.js": "text/javascript", "text.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		pages.HandleFunc("GET /firelane/"+name, func(w http.ResponseWriter, _ *http.Request) {
			pageFile(w, name, kind+"; charset=utf-8")
		})
	}
}

// pagePolicy allows the page its own script, styles, icon and requests, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func pageFile(w http.ResponseWriter, name, kind string) {
	text, err := pageFiles.ReadFile("page/" + name)
	if err != nil { // the binary was built without it
		http.Error(w, "error: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(text)
}

// acceptPause is the time between two attempts to accept a connection.
const acceptPause = 100 * time.Millisecond

// ServeLocal serves the JSON of the status page, with records, on ln until it is closed: to `firelane top` and `firelane tail`. It makes
// the server when somebody connects: at the start of a router it would add 0.4 MiB to the peak of memory.
func ServeLocal(ln net.Listener, c Config) error {
	first, err := ln.Accept()
	for ; err != nil; first, err = ln.Accept() { // as http.Server does: descriptors may be used up when people begin to look
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		time.Sleep(acceptPause)
	}
	mux := http.NewServeMux()
	watchPages(mux, &watch{Config: c, records: true})
	srv := &http.Server{Handler: mux, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}
	err = srv.Serve(&cappedListener{Listener: &accepted{ln, first}})
	_ = srv.Close()
	return err
}

// An accepted is a listener that has accepted a connection already.
type accepted struct {
	net.Listener
	first net.Conn // nil after the first Accept
}

// Accept implements net.Listener. It is called by one goroutine.
func (l *accepted) Accept() (net.Conn, error) {
	if c := l.first; c != nil {
		l.first = nil
		return c, nil
	}
	return l.Listener.Accept()
}
