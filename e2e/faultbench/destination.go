package main

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/firelane/firelane/internal/freeport"
)

// A destination is a _bulk endpoint that counts numbered records. Like a real server, it answers a second create of an id
// with 409, and stores a document only for a create whose reply (even one that is lost) has status 201.
type destination struct {
	faults   faults
	seed     maphash.Seed
	ln       net.Listener
	http     *http.Server
	upstream *upstream // answers the requests; nil: the destination does
	service  *service  // nil: _bulk
	store    store     // of S3

	mu        sync.Mutex
	ids       map[uint64]struct{} // hashes of the documents' ids
	copies    []uint8             // number of documents of each record
	documents int
	conflicts int // items answered 409
	items     int // items received, refused ones included
	toResend  int // items that must come again: answered 429, or in a reply that was lost
	tooLarge  int // single items refused as too large
	faulty    int // requests and items that met a fault
	requests  int
	random    *rand.Rand
	latencies []int32 // ms, of first copies
	lastDoc   time.Time
	down      bool
	first     int64         // number of the first record that belongs here
	foreign   int           // records that belong to another destination
	answer    answerFunc    // nil: none
	itemFault itemFaultFunc // nil: none

	streams      map[*stream]struct{} // open connections of a service without HTTP
	accepted     int                  // connections of it until now
	closeStreams func()               // has nobody listen, and ends them
	unread       int                  // datagrams, at most, that sockets which are closed have lost
	socket       *net.UDPConn         // nil: none is open
	topic        *topic               // of Kafka
	failed       error                // to listen again
}

// An answerFunc answers a request in place of the destination, or returns false.
type answerFunc func(w http.ResponseWriter, r *http.Request) bool

// An itemFaultFunc returns the status that record n gets, with the error's JSON; status 0: the record is stored.
type itemFaultFunc func(n int64) (status int, err string)

// faults are the destination's faults. The zero value has none.
type faults struct {
	refuse     float64 // share of requests answered with refuseWith
	refuseWith int     // HTTP status
	hang       float64 // share of requests that are not answered: after hangFor the connection is closed
	hangFor    time.Duration
	lose       float64 // share of replies that are lost after the body was indexed
	items429   float64 // share of items answered 429 inside a 200
	maxBody    int     // bytes; a larger body is a 413
	longReply  int     // bytes that a reply with errors is filled up to
	poison     bool    // record n is answered: if n%100 is 1, always 400; if 2, once 429; if 3, 409
}

func newDestination(records int, f faults) (*destination, error) {
	return newService(records, f, nil, "")
}

// newService makes a destination that speaks like svc; nil: _bulk. dir is the run's folder.
func newService(records int, f faults, svc *service, dir string) (*destination, error) {
	ln, err := freeport.Listener()
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	d := &destination{
		service: svc, faults: f, seed: maphash.MakeSeed(), ln: ln, ids: make(map[uint64]struct{}), copies: make([]uint8, records),
		random: rand.New(rand.NewPCG(1, 2)), streams: make(map[*stream]struct{}),
	}
	d.http = &http.Server{Handler: d, ErrorLog: log.New(io.Discard, "", 0)}
	if svc != nil && svc.tls {
		if d.http.TLSConfig, err = tlsConfig(filepath.Join(dir, authorities)); err != nil {
			return nil, err
		}
	}
	switch {
	case svc != nil && svc.stream != nil:
		if svc.cluster != nil {
			if d.topic, err = svc.cluster.newTopic(d); err != nil {
				return nil, err
			}
		}
		d.openStreams(ln)
	case svc != nil && svc.datagrams != nil:
		err = d.openDatagrams()
	case d.http.TLSConfig != nil:
		go d.http.ServeTLS(ln, "", "")
	default:
		go d.http.Serve(ln)
	}
	return d, err
}

func (d *destination) close() {
	d.http.Close()
	if d.closeStreams != nil {
		d.closeStreams()
	}
	if d.topic != nil {
		d.topic.close()
	}
}

func (d *destination) port() int { return d.ln.Addr().(*net.TCPAddr).Port }

// setDown(true) makes every connection break without a reply, until setDown(false).
func (d *destination) setDown(down bool) {
	d.mu.Lock()
	d.down = down
	d.mu.Unlock()
	if d.closeStreams != nil {
		d.setStreamsDown(down)
	}
}

// heal ends all faults.
func (d *destination) heal() {
	d.mu.Lock()
	d.down, d.faults, d.answer, d.itemFault = false, faults{}, nil, nil
	d.mu.Unlock()
}

// setAnswer has answer reply to all requests but GET and HEAD.
func (d *destination) setAnswer(answer answerFunc) {
	d.mu.Lock()
	d.answer = answer
	d.mu.Unlock()
}

// setItemFault has fault decide on each record.
func (d *destination) setItemFault(fault itemFaultFunc) {
	d.mu.Lock()
	d.itemFault = fault
	d.mu.Unlock()
}

// setFaults replaces the faults.
func (d *destination) setFaults(f faults) {
	d.mu.Lock()
	d.faults = f
	d.mu.Unlock()
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.info(w, r) || d.answered(w, r) {
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
		d.faulty++
	}
	if large && bytes.Count(body, []byte{'\n'}) == 2 {
		d.tooLarge++
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
	switch {
	case d.upstream != nil:
		d.pass(w, r, body)
		return
	case d.service != nil:
		d.serve(w, r, body, f, lose)
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

// info reports whether it has answered a request for the version.
func (d *destination) info(w http.ResponseWriter, r *http.Request) bool {
	if d.service != nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"version":{"number":"2.19.1","distribution":"opensearch"},"tagline":"bench"}`)
	return true
}

// answered reports whether answer has answered a request.
func (d *destination) answered(w http.ResponseWriter, r *http.Request) bool {
	d.mu.Lock()
	answer := d.answer
	d.mu.Unlock()
	return answer != nil && answer(w, r)
}

// pass has the upstream server answer, and counts the documents that it has stored.
func (d *destination) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	status, reply, err := d.upstream.pass(r, body)
	if err != nil {
		hangUp(w)
		return
	}
	if status == http.StatusOK && !bytes.Contains(reply, []byte(`"errors":true`)) {
		d.take(body, faults{}, false)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(reply)
}

// hangUp closes the connection without a reply.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}

// take indexes the items of a body and returns the reply. lost means that the reply will be lost.
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
		status, fault := d.fault(doc)
		if status == 0 {
			status = d.index(action, doc, f, now)
		}
		if lost || status == http.StatusTooManyRequests {
			d.toResend++
		}
		if status >= 300 {
			failed = true
			d.faulty++
		}
		items = appendItem(items, status, fault)
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

// fault returns the status and error that itemFault has for a document; 0: none.
func (d *destination) fault(doc []byte) (int, string) {
	if d.itemFault == nil {
		return 0, ""
	}
	return d.itemFault(number(doc, "n="))
}

// index handles one item and returns its status.
func (d *destination) index(action, doc []byte, f faults, now time.Time) int {
	if f.items429 > 0 && d.random.Float64() < f.items429 {
		return http.StatusTooManyRequests
	}
	n := number(doc, "n=")
	if n >= 0 && (n < d.first || n >= int64(len(d.copies))) {
		d.foreign++
	}
	if n < d.first || n >= int64(len(d.copies)) {
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
	d.add(n, doc, now)
	if f.poison && n%100 == 3 {
		return http.StatusConflict
	}
	return http.StatusCreated
}

// add adds a document of record n.
func (d *destination) add(n int64, doc []byte, now time.Time) {
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

// appendItem appends an item of the reply. fault is its error; "": the usual one of the status.
func appendItem(dst []byte, status int, fault string) []byte {
	dst = append(dst, `{"create":{"_index":"web","_id":"x","status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	switch {
	case fault != "":
		dst = append(append(dst, `,"error":`...), fault...)
	case status == http.StatusTooManyRequests:
		dst = append(dst, `,"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"}`...)
	case status == http.StatusBadRequest:
		dst = append(dst, `,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [log] of type [long]"}`...)
	case status == http.StatusConflict:
		dst = append(dst, `,"error":{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists"}`...)
	}
	return append(dst, "}},"...)
}

// number returns the padded number after name in b, or -1.
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

// field returns the text after name in b, up to the next quote.
func field(b []byte, name string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(name))
	if !ok {
		return nil
	}
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return value
}
