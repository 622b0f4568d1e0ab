package main

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A destination is a bulk endpoint that counts numbered records. It keeps the rule that matters here: a second create of
// an id is a 409, and only a create that it has answered, or would have answered, with 201 is a document.
type destination struct {
	faults faults
	seed   maphash.Seed
	ln     net.Listener
	http   *http.Server
	behind *behind // nil: the destination answers for itself

	mu        sync.Mutex
	ids       map[uint64]struct{} // hashes of the ids that documents have
	copies    []uint8             // documents of each number
	documents int
	conflicts int // items answered 409
	items     int // items taken out of requests, refused ones too
	again     int // of those, the ones that must come once more: answered 429, or in a reply that was lost
	alone     int // items refused since they are too large even alone
	struck    int // requests and items at which something went wrong
	requests  int
	random    *rand.Rand
	latencies []int32 // ms, of first copies
	lastDoc   time.Time
	down      bool
}

// faults is what the destination does wrong. The zero value does nothing wrong.
type faults struct {
	refuse     float64       // share of requests answered with refuseWith
	refuseWith int           // HTTP status
	hang       float64       // share of requests that are never answered, for hangFor
	hangFor    time.Duration //
	lose       float64       // share of replies lost after the body was taken
	items429   float64       // share of items answered 429 inside a 200
	maxBody    int           // bytes; a larger body is a 413
	longReply  int           // bytes that a reply with errors is filled up to
	poison     bool          // of each 100 numbers: n%100==1 is a 400 for good, 2 a 429 once, 3 there already (409)
}

func newDestination(records int, f faults) (*destination, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	d := &destination{
		faults: f, seed: maphash.MakeSeed(), ln: ln, ids: make(map[uint64]struct{}), copies: make([]uint8, records),
		random: rand.New(rand.NewPCG(1, 2)),
	}
	d.http = &http.Server{Handler: d}
	go d.http.Serve(ln)
	return d, nil
}

func (d *destination) close() { d.http.Close() }

func (d *destination) port() int { return d.ln.Addr().(*net.TCPAddr).Port }

// setDown makes every connection break, without an answer, until it is called with false.
func (d *destination) setDown(down bool) {
	d.mu.Lock()
	d.down = down
	d.mu.Unlock()
}

// setFaults replaces what goes wrong from now on.
func (d *destination) setFaults(f faults) {
	d.mu.Lock()
	d.faults = f
	d.mu.Unlock()
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"version":{"number":"2.19.1","distribution":"opensearch"},"tagline":"bench"}`)
		return
	}
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	f := d.faults
	d.requests++
	roll := func(share float64) bool { return share > 0 && d.random.Float64() < share }
	down, refuse, hang, lose := d.down, roll(f.refuse), roll(f.hang), roll(f.lose)
	large := f.maxBody > 0 && len(body) > f.maxBody
	if refuse || hang || lose || large {
		d.struck++
	}
	if large && bytes.Count(body, []byte{'\n'}) == 2 {
		d.alone++
	}
	d.mu.Unlock()
	switch {
	case down:
		hangUp(w)
		return
	case hang:
		select {
		case <-r.Context().Done():
		case <-time.After(f.hangFor):
		}
		hangUp(w)
		return
	case refuse:
		w.WriteHeader(f.refuseWith)
		return
	case large:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if d.behind != nil {
		d.pass(w, r, body)
		return
	}
	reply := d.take(body, f, lose)
	if lose {
		hangUp(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	w.Write(reply)
}

// pass has the server behind answer, and counts the documents that it has taken.
func (d *destination) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	status, answer, err := d.behind.pass(r, body)
	if err != nil {
		hangUp(w)
		return
	}
	if status == http.StatusOK && !bytes.Contains(answer, []byte(`"errors":true`)) {
		d.take(body, faults{}, false)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(answer)
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}

// take indexes a body and returns the reply, which may be about to be lost.
func (d *destination) take(body []byte, f faults, lost bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	items := make([]byte, 0, 64)
	failed := false
	for len(body) > 0 {
		action, rest, _ := bytes.Cut(body, []byte{'\n'})
		doc, rest, _ := bytes.Cut(rest, []byte{'\n'})
		body = rest
		d.items++
		status := d.index(action, doc, f, now)
		if lost || status == http.StatusTooManyRequests {
			d.again++
		}
		if status >= 300 {
			failed = true
			d.struck++
		}
		items = appendItem(items, status)
	}
	d.lastDoc = now
	if !failed {
		return []byte(`{"took":3,"errors":false,"items":[]}`)
	}
	reply := append([]byte(`{"took":3,"errors":true,"items":[`), items[:len(items)-1]...)
	reply = append(reply, "]}"...)
	if pad := f.longReply - len(reply); pad > 0 {
		reply = append(reply, bytes.Repeat([]byte{' '}, pad)...)
	}
	return reply
}

// index is what becomes of one item: its status.
func (d *destination) index(action, doc []byte, f faults, now time.Time) int {
	if f.items429 > 0 && d.random.Float64() < f.items429 {
		return http.StatusTooManyRequests
	}
	n := number(doc, "n=")
	if n < 0 || n >= int64(len(d.copies)) {
		return http.StatusBadRequest
	}
	if f.poison && n%100 == 1 {
		return http.StatusBadRequest
	}
	if id := field(action, `"_id":"`); len(id) > 0 {
		h := maphash.Bytes(d.seed, id)
		if f.poison && n%100 == 2 {
			if _, seen := d.ids[^h]; !seen {
				d.ids[^h] = struct{}{}
				return http.StatusTooManyRequests
			}
		}
		if _, there := d.ids[h]; there {
			d.conflicts++
			return http.StatusConflict
		}
		d.ids[h] = struct{}{}
	}
	d.store(n, doc, now)
	if f.poison && n%100 == 3 {
		return http.StatusConflict
	}
	return http.StatusCreated
}

// store makes a document of record n.
func (d *destination) store(n int64, doc []byte, now time.Time) {
	d.documents++
	if d.copies[n] == 0 {
		if sent := number(doc, "t="); sent > 0 {
			d.latencies = append(d.latencies, int32(now.Sub(time.UnixMicro(sent)).Milliseconds()))
		}
	}
	if d.copies[n] < 255 {
		d.copies[n]++
	}
}

func appendItem(dst []byte, status int) []byte {
	dst = append(dst, `{"create":{"_index":"web","_id":"x","status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	switch status {
	case http.StatusTooManyRequests:
		dst = append(dst, `,"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"}`...)
	case http.StatusBadRequest:
		dst = append(dst, `,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [log] of type [long]"}`...)
	case http.StatusConflict:
		dst = append(dst, `,"error":{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists"}`...)
	}
	return append(dst, "}},"...)
}

// number finds name followed by a number of fixed width.
func number(b []byte, name string) int64 {
	at := bytes.Index(b, []byte(name))
	if at < 0 || at+len(name)+digits > len(b) {
		return -1
	}
	var n int64
	for _, c := range b[at+len(name) : at+len(name)+digits] {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// field finds name and returns what stands up to the next quote.
func field(b []byte, name string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(name))
	if !ok {
		return nil
	}
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return value
}

// outcome is what arrived, compared with the numbers below sent.
type outcome struct {
	documents, lost, duplicates, conflicts, requests, items, struck int
	needless                                                        int // items sent again that had been answered for good
	p50, p99                                                        time.Duration
}

// result counts; dead are numbers that are accounted for elsewhere (dead letters).
func (d *destination) result(sent int, dead int) outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := outcome{documents: d.documents, conflicts: d.conflicts, requests: d.requests, items: d.items, struck: d.struck, lost: -dead}
	for _, copies := range d.copies[:sent] {
		if copies == 0 {
			o.lost++
		} else {
			o.duplicates += int(copies) - 1
		}
	}
	o.needless = d.items + d.alone - d.again - (sent - o.lost)
	if n := len(d.latencies); n > 0 {
		slices.Sort(d.latencies)
		o.p50 = time.Duration(d.latencies[n/2]) * time.Millisecond
		o.p99 = time.Duration(d.latencies[n*99/100]) * time.Millisecond
	}
	return o
}

// distinct is how many numbers have arrived.
func (d *destination) distinct() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.latencies)
}

// last is when the last request was taken.
func (d *destination) last() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lastDoc
}
