package splunk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// The collector's codes that mean more than their status: "Troubleshoot HTTP Event Collector", possible error codes.
const (
	codeSuccess        = 0
	codeTokenDisabled  = 1
	codeNoToken        = 2
	codeInvalidAuth    = 3
	codeInvalidToken   = 4
	codeNoData         = 5
	codeInvalidData    = 6
	codeIncorrectIndex = 7
	codeBusy           = 9
	codeNoChannel      = 10
	codeInvalidChannel = 11
	codeNoEvent        = 12
	codeBlankEvent     = 13
	codeAckDisabled    = 14
	codeIndexedFields  = 15
	codeLast           = 27 // the last one that is documented
)

// maxReply is how much of the collector's reply to events or for acknowledgments is read, in bytes.
const maxReply = 64 << 10

// An answer is the collector's reply.
type answer struct {
	Text    string          `json:"text"`
	Code    int             `json:"code"`
	Invalid *int            `json:"invalid-event-number"` // counted from 0
	AckID   *int64          `json:"ackId"`
	Acks    map[string]bool `json:"acks"` // by id
}

func readAnswer(body []byte) (a answer, ok bool) {
	err := json.Unmarshal(body, &a)
	return a, err == nil
}

// An outcome is that of one exchange.
type outcome struct {
	reply   sink.Reply
	invalid int      // the item that stopped the collector, which has those before it and none of those after; -1: none
	channel bool     // the collector asks for a channel
	ack     *int64   // the id to ask for acknowledgment; nil: none
	cookies []string // that lead to the same collector
}

// accepted reads the reply to events that the collector took.
func (o *outcome) accepted(resp *http.Response) sink.Reply {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if a, ok := readAnswer(body); ok && err == nil {
		if a.Code != codeSuccess {
			return sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Err: fmt.Errorf("%s, code %d: %s", resp.Status, a.Code, httpsend.Clip(a.Text, httpsend.MaxReason))}
		}
		o.ack = a.AckID
	}
	for _, c := range resp.Cookies() {
		o.cookies = append(o.cookies, c.Name+"="+c.Value)
	}
	return sink.Reply{Cause: sink.Answered}
}

// refused judges any other status for a request of n items. An index that the token doesn't have is the record's fault only if
// the record names it.
func (o *outcome) refused(f *httpsend.Failure, n int, indexOfRecord bool) sink.Reply {
	r := f.Collector(n)
	a, ok := readAnswer(f.Body)
	if !ok || a.Text == "" {
		return r
	}
	r.Err = fmt.Errorf("%d %s, code %d: %s", f.Status, http.StatusText(f.Status), a.Code, httpsend.Clip(a.Text, httpsend.MaxReason))
	switch a.Code {
	case codeTokenDisabled, codeNoToken, codeInvalidAuth, codeInvalidToken:
		r.Err = fmt.Errorf("the token is refused; check it, and that it is enabled: %w", r.Err)
		return r
	case codeNoChannel:
		o.channel = true
	case codeInvalidChannel:
		r.Err = fmt.Errorf("the channel is refused; want a GUID: %w", r.Err)
	case codeIncorrectIndex:
		if indexOfRecord {
			return o.stop(r, &a, n)
		}
		r.Err = fmt.Errorf("the index is refused; allow it for the token: %w", r.Err)
	case codeBusy:
		return o.busy(r, &a, n)
	case codeNoData, codeInvalidData, codeNoEvent, codeBlankEvent, codeIndexedFields:
		return o.stop(r, &a, n)
	default:
		if a.Code <= codeSuccess || a.Code > codeLast || r.Split == sink.BySize {
			return r // the status alone says what is wrong
		}
	}
	r.Verdict, r.Split = sink.Again, sink.No // no event is to blame, whatever the status
	return r
}

// stop judges a request that the collector read up to an event that is invalid: those before it are indexed, and those after
// it aren't read.
func (o *outcome) stop(r sink.Reply, a *answer, n int) sink.Reply {
	if a.Invalid == nil || *a.Invalid < 0 || *a.Invalid >= n {
		return httpsend.RefusedContent(r, n)
	}
	o.invalid = *a.Invalid
	r.Split, r.Verdict = sink.No, sink.Again
	return r
}

// busy judges a request during which the collector's queue became full: the events before the one that it names are indexed.
// Whether that one counts from 0 is documented for invalid events only, so that the last of them is sent again, too.
func (o *outcome) busy(r sink.Reply, a *answer, n int) sink.Reply {
	if a.Invalid == nil || *a.Invalid >= n {
		return r
	}
	for i := range max(*a.Invalid-1, 0) {
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
	}
	return r
}
