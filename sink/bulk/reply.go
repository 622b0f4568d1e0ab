package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// maxReason is how much of an item's reason is kept, in bytes. Servers quote documents in theirs.
	maxReason = httpsend.MaxReason
	// maxCauses is how many nested causes of an item's error are read. Any further ones are skipped.
	maxCauses = 4
)

// A bulkReply parses a 2xx reply to _bulk.
type bulkReply struct {
	scanner
	each   func(*itemResult)
	item   itemResult        // the item being read
	items  int               // items read
	failed bool              // the member "errors"; true until it is read
	names  map[string]string // interned strings, see name
}

// read parses the reply, and calls each for every item in order. It stops early if "errors" is false.
func (b *bulkReply) read() error {
	b.failed = true
	seen := false
	b.open('{')
	for first := true; b.next('}', first); first = false {
		var buf [16]byte
		switch string(b.key(buf[:])) {
		case "errors":
			if seen, b.failed = true, b.boolean(); b.err == nil && !b.failed {
				return nil
			}
		case "items":
			b.readItems()
			seen = true
		default:
			b.skip()
		}
	}
	if b.err == nil && !seen {
		b.fail(errNotJSON)
	}
	return b.err
}

func (b *bulkReply) readItems() {
	b.open('[')
	for first := true; b.next(']', first); first = false {
		b.item = itemResult{}
		b.open('{')
		if b.readCommon() {
			continue
		}
		for first := true; b.next('}', first); first = false {
			var buf [16]byte
			b.item.op = b.name(b.key(buf[:]))
			b.readItem(&b.item)
		}
		if b.err != nil {
			return // the item is incomplete
		}
		b.items++
		b.each(&b.item)
	}
}

// commonItems are the texts, after the opening brace, of nearly all items in a reply with errors.
var commonItems = [...]struct{ text, op string }{
	{`"create":{"status":201}}`, "create"},
	{`"index":{"status":201}}`, "index"},
}

// readCommon reads the rest of an item if it is one of commonItems, and is in the buffer completely.
func (b *bulkReply) readCommon() bool {
	for i := range commonItems {
		c := &commonItems[i]
		if b.r.Buffered() < len(c.text) {
			return false
		}
		if text, _ := b.r.Peek(len(c.text)); string(text) == c.text {
			_, _ = b.r.Discard(len(c.text))
			b.item = itemResult{op: c.op, status: http.StatusCreated}
			b.items++
			b.each(&b.item)
			return true
		}
	}
	return false
}

func (b *bulkReply) readItem(it *itemResult) {
	b.open('{')
	for first := true; b.next('}', first); first = false {
		var buf [16]byte
		switch string(b.key(buf[:])) {
		case "status":
			it.status = b.number()
		case "error":
			b.readError(it, maxCauses)
		default:
			b.skip()
		}
	}
}

// readError reads {"type", "reason", "caused_by": {"reason"}}, or the plain string of very old versions. It reads at most
// causes levels of caused_by.
func (b *bulkReply) readError(it *itemResult, causes int) {
	var text [maxReason]byte
	if c := b.token(); c != '{' {
		_ = b.r.UnreadByte()
		it.reason = string(b.text(text[:]))
		return
	}
	cause := itemResult{}
	for first := true; b.next('}', first); first = false {
		var buf [16]byte
		switch string(b.key(buf[:])) {
		case "type":
			it.errType = b.name(b.text(text[:64]))
		case "reason":
			it.reason = string(b.text(text[:]))
		case "caused_by":
			if causes == 0 {
				b.skip()
				continue
			}
			b.readError(&cause, causes-1)
		default:
			b.skip()
		}
	}
	if cause.reason != "" && !strings.Contains(it.reason, cause.reason) {
		it.reason += ": " + cause.reason
		if len(it.reason) > maxReason {
			it.reason = strings.ToValidUTF8(it.reason[:maxReason], "")
		}
	}
}

// name returns s as a string, and allocates each of the few names that items repeat only once for a reply.
func (b *bulkReply) name(s []byte) string {
	if n, ok := b.names[string(s)]; ok {
		return n
	}
	if b.names == nil {
		b.names = map[string]string{}
	}
	n := string(s)
	if len(b.names) < 64 {
		b.names[n] = n
	}
	return n
}

// readBulk parses the 2xx reply to req and judges its items.
func (d *Destination) readBulk(body io.Reader, req *sink.Request) sink.Reply {
	buf := d.readers.get(body)
	defer d.readers.put(buf)
	reply := sink.Reply{Status: http.StatusOK, Cause: sink.Answered}
	t := tally{d: d, req: req, reply: &reply}
	b := bulkReply{scanner: scanner{r: buf.Reader}, each: t.add}
	err := b.read()
	if err == nil && !b.failed {
		_, _ = io.Copy(io.Discard, buf) // the connection can be reused if the body was read to its end
		return reply
	}
	if err == nil {
		_, _ = io.Copy(io.Discard, buf)
		if b.items < req.Len() {
			err = fmt.Errorf("the reply has %d items; want %d", b.items, req.Len())
		}
	}
	if err != nil {
		err = buf.unread(err)
	}
	if b.items == 0 && req.Len() > 0 {
		return sink.Reply{Verdict: sink.Again, Status: http.StatusOK, Err: err}
	}
	t.missing(b.items, err)
	return t.finish()
}

// A tally builds a Reply from the items' results.
type tally struct {
	d          *Destination
	req        *sink.Request
	reply      *sink.Reply
	n          int           // items added
	busy       int           // items refused because the server is busy
	trouble    *sink.Trouble // of the first item that is refused for now
	troubleAt  int           // that item
	adaptation adaptation
	lastReason string
}

func (t *tally) add(it *itemResult) {
	i := t.n
	t.n++
	if i >= t.req.Len() {
		return // the reply has more items than the request
	}
	j := judgeItem(it)
	if j.verdict == sink.Done {
		return
	}
	if j.adaptation != noAdaptation {
		if !applies(j.adaptation, t.req.Item(i)) {
			j.verdict = sink.Never // the item was adapted already, and is refused all the same
		} else {
			t.adaptation = j.adaptation
		}
	}
	if j.pressure {
		t.busy++
	}
	if t.trouble == nil {
		t.trouble, t.troubleAt = t.d.itemTrouble(it, &j), i
	}
	reason := it.reason
	if reason == t.lastReason {
		reason = t.lastReason // reasons repeat: keep one copy
	}
	t.lastReason = reason
	t.reply.Items = append(t.reply.Items, sink.ItemReply{
		Index: i, Verdict: j.verdict, Status: it.status, Type: it.errType, Reason: reason,
		Busy: j.blocked || j.pressure,
	})
}

// missing marks the items from first on, for which there is no result, to be sent again. The server didn't refuse them, so
// this doesn't count as an answer.
func (t *tally) missing(first int, err error) {
	if err != nil {
		t.reply.Cause = sink.Unreached
	}
	reason := "" // one for all
	if err != nil {
		reason = err.Error()
	}
	for i := first; i < t.req.Len(); i++ {
		t.reply.Items = append(t.reply.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Reason: reason})
	}
	t.reply.Err = err
}

// finish sets what concerns the request as a whole. An index that is blocked, or closed to these credentials, says nothing
// about the others.
func (t *tally) finish() sink.Reply {
	d, r := t.d, t.reply
	if len(r.Items) == 0 {
		return *r
	}
	if r.Err == nil {
		first := &r.Items[max(0, slices.IndexFunc(r.Items, func(i sink.ItemReply) bool { return i.Verdict == sink.Again }))]
		r.Err = fmt.Errorf("%d of %d items refused, one of them with %d %s: %s", len(r.Items), t.req.Len(), first.Status, first.Type, first.Reason)
	}
	if t.busy == t.req.Len() {
		r.Cause = sink.Throttled
	}
	if t.trouble != nil {
		r.Trouble = about(t.trouble, d.Target(t.req.Item(t.troubleAt)))
	}
	if t.adaptation != noAdaptation {
		d.adapt(t.adaptation)
		r.Reencode = true
	}
	return *r
}

// applies reports whether the adaptation would change item. It wouldn't if item has been encoded that way already.
func applies(a adaptation, item []byte) bool {
	action, _, _ := bytes.Cut(item, []byte{'\n'})
	hasType := bytes.Contains(action, []byte(`,"_type":`))
	switch a {
	case dropType:
		return hasType
	case addType:
		return !hasType
	case dropID:
		return bytes.Contains(action, []byte(`,"_id":`))
	}
	return true
}

// readFailure reads the reply to a request that was refused as a whole.
func readFailure(resp *http.Response, gzipped bool) *failure {
	f := &failure{Failure: httpsend.ReadFailure(resp), gzipped: gzipped}
	var answer struct {
		Error struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
			Causes []struct {
				Reason string `json:"reason"`
			} `json:"root_cause"`
		} `json:"error"`
	}
	e := &answer.Error
	if json.Unmarshal(f.Body, &answer) != nil || e.Type == "" && e.Reason == "" {
		return f
	}
	f.Type, f.Reason, f.fromServer = e.Type, e.Reason, true
	if len(e.Causes) > 0 && e.Causes[0].Reason != f.Reason {
		f.Reason += ": " + e.Causes[0].Reason
	}
	f.Reason = httpsend.Clip(f.Reason, httpsend.MaxReason)
	return f
}
