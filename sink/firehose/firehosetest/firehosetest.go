// Package firehosetest is a stand-in for Amazon Data Firehose that is as strict as the service. Its limits are those of
// "PutRecordBatch" and "Record" in the Amazon Data Firehose API Reference, and of "Amazon Data Firehose Quota" in its Developer
// Guide.
package firehosetest

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/firelane/firelane/sink/aws/put/puttest"
)

// The limits of the service.
const (
	MaxRecords = 500
	MaxRecord  = 1000 << 10 // bytes of data before Base64
	MaxRequest = 4 << 20    // bytes of data before Base64
)

var name = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

// A Server is the service.
type Server struct {
	*puttest.Server

	mu      sync.Mutex
	streams map[string][][]byte // the data of each record
	next    int
}

// New starts a server with streams of these names.
func New(streams ...string) *Server {
	s := &Server{streams: map[string][][]byte{}}
	for _, stream := range streams {
		s.streams[stream] = nil
	}
	s.Server = puttest.Start("firehose", "Firehose_20150804.PutRecordBatch", s.put)
	return s
}

// Create creates a stream.
func (s *Server) Create(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[stream] = nil
}

// Records returns the data of the records in a stream.
func (s *Server) Records(stream string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.streams[stream]...)
}

type response struct {
	RecordId     string `json:",omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

type output struct {
	FailedPutCount   int
	Encrypted        bool
	RequestResponses []response
}

func (s *Server) put(body []byte, faults puttest.Faults) (any, *puttest.Error) {
	var in struct {
		DeliveryStreamName string
		Records            []struct{ Data []byte }
	}
	if err := puttest.Decode(body, &in); err != nil {
		return nil, err
	}
	if !name.MatchString(in.DeliveryStreamName) {
		return nil, puttest.Refuse("ValidationException", "Value '%s' at 'deliveryStreamName' failed to satisfy constraint", in.DeliveryStreamName)
	}
	if n := len(in.Records); n < 1 || n > MaxRecords {
		return nil, puttest.Refuse("ValidationException", "%d records at 'records': Member must have length from 1 to %d", n, MaxRecords)
	}
	total := 0
	for i, r := range in.Records {
		if r.Data == nil {
			return nil, puttest.Refuse("ValidationException", "Value null at 'records.%d.member.data': Member must not be null", i+1)
		}
		if len(r.Data) > MaxRecord {
			return nil, puttest.Refuse("ValidationException", "Value at 'records.%d.member.data': Member must have length less than or equal to %d", i+1, MaxRecord)
		}
		total += len(r.Data)
	}
	if total > MaxRequest {
		return nil, puttest.Refuse("InvalidArgumentException", "Records size exceeds 4 MB limit")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.streams[in.DeliveryStreamName]; !ok {
		return nil, puttest.Refuse("ResourceNotFoundException", "Firehose %s under account 111122223333 not found.", in.DeliveryStreamName)
	}
	var out output
	for _, r := range in.Records {
		if faults.Record != nil {
			if code, message := faults.Record(r.Data); code != "" {
				out.FailedPutCount++
				out.RequestResponses = append(out.RequestResponses, response{ErrorCode: code, ErrorMessage: message})
				continue
			}
		}
		s.next++
		s.streams[in.DeliveryStreamName] = append(s.streams[in.DeliveryStreamName], r.Data)
		out.RequestResponses = append(out.RequestResponses, response{RecordId: fmt.Sprint(s.next)})
	}
	return out, nil
}
