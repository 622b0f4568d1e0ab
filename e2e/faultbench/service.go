package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// A service is what a destination speaks instead of _bulk. It is as simple as the count of numbered records allows; the strict
// stand-ins are beside the destinations, in sink.
type service struct {
	name    string
	tls     bool // as it is in the field: AWS's are never without it
	options map[string]string
	// address adds the options that say where it is.
	address func(options map[string]string, port int)
	// take reads a request, whose body is decompressed: it returns the text that has the numbered records, nil if the request
	// brings none, and the reply.
	take func(s *store, r *http.Request, body []byte) (text []byte, status int, reply string)
	// refused is the reply for text that the service refuses in part: the items of which bad reports true; nil: it can't.
	refused func(body []byte, bad func() bool) (text []byte, again int, reply string)
	// stream serves a connection, instead of take, of a service that doesn't speak HTTP.
	stream func(s *stream) error
	// datagrams reports whether a datagram is what the service, which speaks UDP, takes.
	datagrams func(text []byte) bool
	metrics   bool     // it takes metrics: the load is pages
	once      bool     // it can tell a record that comes again, and keeps the first
	silent    bool     // it never answers: the router counts as delivered what the service's host has acknowledged
	cluster   *cluster // that has the records; nil: none
}

// hostPort are the options host and port.
func hostPort(options map[string]string, port int) {
	options["Host"], options["Port"] = "127.0.0.1", strconv.Itoa(port)
}

// awsEndpoint are the options of AWS's services.
func awsEndpoint(options map[string]string, port int) {
	options["endpoint"], options["port"], options["region"] = "localhost", strconv.Itoa(port), "eu-west-1"
}

// kinesisHost is what Kinesis is called by: firelane calls AWS in CBOR, and others in JSON.
const kinesisHost = "kinesis.eu-west-1.amazonaws.com"

func kinesisEndpoint(options map[string]string, port int) {
	awsEndpoint(options, port)
	options["endpoint"] = kinesisHost
}

// answering returns a take that finds records anywhere in the body.
func answering(status int, reply string) func(*store, *http.Request, []byte) ([]byte, int, string) {
	return func(_ *store, _ *http.Request, body []byte) ([]byte, int, string) { return body, status, reply }
}

// services returns the services, in the order of the table.
func services() []*service {
	return []*service{
		{name: "cloudwatch_logs", tls: true, address: awsEndpoint, take: takeCloudWatch,
			options: map[string]string{"Name": "cloudwatch_logs", "log_group_name": "bench", "log_stream_prefix": "web-", "auto_create_group": "On"}},
		{name: "kinesis_firehose", tls: true, address: awsEndpoint, take: takeFirehose, refused: refusedFirehose,
			options: map[string]string{"Name": "kinesis_firehose", "delivery_stream": "bench"}},
		{name: "kinesis_streams", tls: true, address: kinesisEndpoint, take: takeKinesis, refused: refusedKinesis,
			options: map[string]string{"Name": "kinesis_streams", "stream": "bench"}},
		{name: "s3", take: takeS3,
			address: func(options map[string]string, port int) {
				options["endpoint"], options["region"] = fmt.Sprintf("http://127.0.0.1:%d", port), "eu-west-1"
			},
			options: map[string]string{"Name": "s3", "bucket": "bench", "compression": "gzip", "use_put_object": "On",
				"total_file_size": "10M", "upload_timeout": "2s", "s3_key_format": "/web/%Y/%m/%d/%H_%M_%S/$UUID.gz"}},
		{name: "http", address: hostPort, take: answering(http.StatusOK, ""),
			options: map[string]string{"Name": "http", "URI": "/logs", "Format": "json"}},
		{name: "datadog", address: hostPort, take: answering(http.StatusAccepted, "{}"),
			options: map[string]string{"Name": "datadog", "apikey": "key", "dd_service": "web", "compress": "gzip", "provider": "ecs"}},
		{name: "splunk", address: hostPort, take: answering(http.StatusOK, `{"text":"Success","code":0}`),
			options: map[string]string{"Name": "splunk", "splunk_token": "token"}},
		{name: "nrlogs", tls: true, take: answering(http.StatusAccepted, `{"requestId":"1"}`),
			address: func(options map[string]string, port int) {
				options["base_uri"] = fmt.Sprintf("https://localhost:%d/log/v1", port)
			},
			options: map[string]string{"Name": "nrlogs", "license_key": "key"}},
		{name: "loki", address: hostPort, take: takeLoki, once: true,
			options: map[string]string{"Name": "loki", "labels": "job=web"}},
		{name: "opentelemetry", address: hostPort, take: answering(http.StatusOK, ""),
			options: map[string]string{"Name": "opentelemetry", "logs_uri": "/v1/logs"}},
	}
}

// canHave reports whether the service can have a fault: a protocol may have no refusals, or no answers at all.
func (s *service) canHave(fault string) bool {
	switch {
	case s.stream == nil && s.datagrams == nil || s.cluster != nil:
		return true
	case s.silent:
		return fault != "429" && fault != "503" && fault != "lost"
	}
	return fault != "429" && fault != "503"
}

// serviceNamed returns the service of that name.
func serviceNamed(name string) *service {
	for _, svc := range services() {
		if svc.name == name {
			return svc
		}
	}
	panic("no service " + name)
}

// target returns the operation of a request in AWS's JSON protocol.
func target(r *http.Request) string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}

func takeCloudWatch(_ *store, r *http.Request, body []byte) ([]byte, int, string) {
	if target(r) == "PutLogEvents" {
		return body, http.StatusOK, `{"nextSequenceToken":"1"}`
	}
	return nil, http.StatusOK, "{}"
}

// takeLoki takes the entries of a push request that aren't there yet: of equal ones of a stream Loki keeps one. Fluent Bit sends JSON,
// of which all is taken.
func takeLoki(s *store, r *http.Request, body []byte) ([]byte, int, string) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return body, http.StatusNoContent, ""
	}
	text := []byte{} // not nil: it is a request with records
	fields(body, func(_ protowire.Number, stream []byte) {
		var labels []byte
		fields(stream, func(n protowire.Number, value []byte) {
			if n == 1 {
				labels = value
			} else if s.first(labels, value) {
				text = append(text, value...)
			}
		})
	})
	return text, http.StatusNoContent, ""
}

// fields calls each with the fields of a message that are messages or texts.
func fields(message []byte, each func(n protowire.Number, value []byte)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		if kind == protowire.BytesType {
			if value, size := protowire.ConsumeBytes(message); size >= 0 {
				each(n, value)
			}
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return
		}
		message = message[size:]
	}
}

// twelve is the twelve bits that two digits of Base64 stand for, the first one in the lower byte.
var twelve = sync.OnceValue(func() *[1 << 16]uint16 {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	t := new([1 << 16]uint16)
	for i, a := range []byte(alphabet) {
		for j, b := range []byte(alphabet) {
			t[int(a)|int(b)<<8] = uint16(i<<6 | j)
		}
	}
	return t
})

// decode decodes Base64 in place. It takes half as long as encoding/base64, which is most of what Firehose and Kinesis take here: the
// rows shall show what the routers can do, not what this program can.
func decode(value []byte) []byte {
	table, from, to := twelve(), value, value[:0] // what is read is always ahead of what is written
	for ; len(from) > 8; from = from[8:] {
		v := binary.LittleEndian.Uint64(from)
		w := uint64(table[v&0xffff])<<52 | uint64(table[v>>16&0xffff])<<40 | uint64(table[v>>32&0xffff])<<28 | uint64(table[v>>48])<<16
		to = to[:len(to)+8]
		binary.BigEndian.PutUint64(to[len(to)-8:], w)
		to = to[:len(to)-2]
	}
	last, _ := base64.StdEncoding.Decode(to[len(to):len(to)+len(from)], from)
	return to[:len(to)+last]
}

// data calls each with every item's data, which is Base64 in the member Data. The text is in the memory of body.
func data(body []byte, each func(text []byte)) {
	const name = `"Data":"`
	for {
		_, rest, found := bytes.Cut(body, []byte(name))
		if !found {
			return
		}
		value, rest, _ := bytes.Cut(rest, []byte{'"'})
		each(decode(value))
		body = rest
	}
}

// The replies of Firehose and Kinesis have an entry for each item.
const (
	firehoseDone   = `{"RecordId":"0"},`
	firehoseFailed = `{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},`
	kinesisDone    = `{"SequenceNumber":"1","ShardId":"shardId-000000000000"},`
	kinesisFailed  = `{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard shardId-000000000000"},`
)

func takeFirehose(_ *store, _ *http.Request, body []byte) ([]byte, int, string) {
	text, _, reply := refusedFirehose(body, func() bool { return false })
	return text, http.StatusOK, reply
}

func refusedFirehose(body []byte, bad func() bool) ([]byte, int, string) {
	text, again, entries := entries(body, bad, firehoseDone, firehoseFailed)
	return text, again, fmt.Sprintf(`{"FailedPutCount":%d,"Encrypted":false,"RequestResponses":[%s]}`, again, entries)
}

func takeKinesis(_ *store, _ *http.Request, body []byte) ([]byte, int, string) {
	text, _, reply := refusedKinesis(body, func() bool { return false })
	return text, http.StatusOK, reply
}

func refusedKinesis(body []byte, bad func() bool) ([]byte, int, string) {
	if bytes.HasPrefix(body, []byte{cborMap}) {
		return refusedCBOR(body, bad)
	}
	text, again, entries := entries(body, bad, kinesisDone, kinesisFailed)
	return text, again, fmt.Sprintf(`{"FailedRecordCount":%d,"Records":[%s]}`, again, entries)
}

// entries returns the text of the items that aren't bad, in the memory of body, how many records are in those that are, and the reply's
// entries.
func entries(body []byte, bad func() bool, done, failed string) (text []byte, again int, reply string) {
	var out strings.Builder
	out.Grow(len(body) / 4)
	text = body[:0] // what is read is always ahead of what is written
	each := data
	if bytes.HasPrefix(body, []byte{cborMap}) {
		each = dataCBOR
	}
	each(body, func(item []byte) {
		if bad() {
			again += bytes.Count(item, []byte("n="))
			out.WriteString(failed)
			return
		}
		text = append(text, item...)
		out.WriteString(done)
	})
	return text, again, strings.TrimSuffix(out.String(), ",")
}
