package admin

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// A Reloader reads the configuration again.
type Reloader interface {
	// Reload returns when the new configuration has taken over, or the reason why the old one goes on.
	Reload(ctx context.Context) error
	// Reloads is how many have taken over.
	Reloads() int64
}

// Errors of a Reloader that have answers of their own, those of Fluent Bit.
var (
	ErrReloadOff  = errors.New("hot_reload is off in [SERVICE]")
	ErrReloadBusy = errors.New("a reload is in progress")
)

// reloadTime is how long a client waits for the end of a reload, which has limits of its own.
const reloadTime = 30 * time.Second

// The values of status in an answer. Fluent Bit has the first three; its answer to a wrong configuration is that of a right one.
const (
	reloadDone   = 0
	reloadOff    = -1
	reloadBusy   = -2
	reloadFailed = -3
)

// reloadPage adds Fluent Bit's /api/v2/reload to pages.
func reloadPage(pages *http.ServeMux, r Reloader) {
	pages.HandleFunc("GET /api/v2/reload", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]int64{"hot_reload_count": r.Reloads()})
	})
	// A web page in a browser on this host must not reload.
	post := http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadTime + writeTimeout))
		ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), reloadTime) // a client that goes away changes nothing
		defer cancel()
		answerReload(w, r.Reload(ctx))
	}))
	pages.Handle("POST /api/v2/reload", post)
	pages.Handle("PUT /api/v2/reload", post)
}

func answerReload(w http.ResponseWriter, err error) {
	a := struct {
		Reload string `json:"reload"`
		Status int    `json:"status"`
		Error  string `json:"error,omitempty"`
	}{"done", reloadDone, ""}
	code := http.StatusOK
	switch {
	case err == nil:
	case errors.Is(err, ErrReloadOff):
		a.Reload, a.Status = "not enabled", reloadOff
	case errors.Is(err, ErrReloadBusy):
		a.Reload, a.Status, code = "in progress", reloadBusy, http.StatusBadRequest
	default:
		a.Reload, a.Status, a.Error, code = "failed", reloadFailed, err.Error(), http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	writeJSON(w, a)
}
