package deliver

import (
	"strconv"

	"github.com/firelane/firelane/sink"
)

// replyStatuses are what Replies tells apart: statuses of HTTP, the rest of their classes, and
//
//	none   no answer with a status
//	other  a code that isn't one of HTTP
//
// A destination without such codes that has taken a request counts as 2xx.
var replyStatuses = [...]string{"2xx", "3xx", "400", "401", "403", "404", "413", "429", "4xx", "500", "502", "503", "504", "5xx", "none", "other"}

// Replies are how often a destination answered with each status.
type Replies [len(replyStatuses)]int64

// Each calls see with each status, also those that did not occur.
func (r *Replies) Each(see func(status string, n int64)) {
	for i, status := range replyStatuses {
		see(status, r[i])
	}
}

// Add counts a reply.
func (r *Replies) Add(reply *sink.Reply) {
	status := statusOf(reply)
	for i, s := range replyStatuses {
		if s == status {
			r[i]++
		}
	}
}

func statusOf(r *sink.Reply) string {
	switch s := r.Status; {
	case s == 400, s == 401, s == 403, s == 404, s == 413, s == 429, s == 500, s >= 502 && s <= 504:
		return strconv.Itoa(s)
	case s == 0 && r.Err != nil:
		return "none"
	case s == 0 || s >= 200 && s < 300:
		return "2xx"
	case s >= 300 && s < 600:
		return strconv.Itoa(s/100) + "xx"
	}
	return "other"
}
