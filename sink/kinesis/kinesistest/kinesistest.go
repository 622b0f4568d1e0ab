// Package kinesistest is a stand-in for Amazon Kinesis Data Streams that is as strict as the service. Its limits are those of
// "PutRecords" and "PutRecordsRequestEntry" in the Amazon Kinesis Data Streams API Reference, for a stream whose maximum record
// size hasn't been raised, and of "Quotas and limits" in its Developer Guide.
package kinesistest

import (
	"crypto/md5" // as the service does, to find a key's shard
	"fmt"
	"regexp"
	"sync"
	"unicode/utf8"

	"github.com/firelane/firelane/sink/aws/put/puttest"
)

// The limits of the service.
const (
	MaxRecords = 500
	MaxRecord  = 1 << 20 // bytes of data and partition key before Base64
	MaxRequest = 5 << 20 // bytes of data and partition keys before Base64
	MaxKey     = 256     // characters
)

var name = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// A Record is one in a stream.
type Record struct {
	Key   string
	Data  []byte
	Shard int
}

// A Server is the service.
type Server struct {
	*puttest.Server

	mu        sync.Mutex
	shards    int
	streams   map[string][]Record
	throttled map[int]bool
	next      int
}

// New starts a server with streams of these names, which have so many shards of equal size.
func New(shards int, streams ...string) *Server {
	s := newServer(shards, streams)
	s.Server = puttest.StartCBOR("kinesis", "Kinesis_20131202.PutRecords", s.put)
	return s
}

// NewJSON is New for a server that isn't AWS's and takes JSON only.
func NewJSON(shards int, streams ...string) *Server {
	s := newServer(shards, streams)
	s.Server = puttest.Start("kinesis", "Kinesis_20131202.PutRecords", s.put)
	return s
}

func newServer(shards int, streams []string) *Server {
	s := &Server{shards: shards, streams: map[string][]Record{}, throttled: map[int]bool{}}
	for _, stream := range streams {
		s.streams[stream] = nil
	}
	return s
}

// Create creates a stream.
func (s *Server) Create(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[stream] = nil
}

// Throttle has a shard take no records, or take them again.
func (s *Server) Throttle(shard int, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttled[shard] = on
}

// Records returns the records in a stream.
func (s *Server) Records(stream string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Record(nil), s.streams[stream]...)
}

// ShardOf returns the shard of a partition key: shards are equal parts of the range of MD5.
func ShardOf(key string, shards int) int {
	sum := md5.Sum([]byte(key))
	return (int(sum[0])<<8 | int(sum[1])) * shards >> 16
}

type response struct {
	SequenceNumber string `json:",omitempty"`
	ShardId        string `json:",omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

type output struct {
	FailedRecordCount int
	EncryptionType    string
	Records           []response
}

type input struct {
	StreamName string
	Records    []struct {
		Data         []byte
		PartitionKey string
	}
}

// check checks all that the service checks before it takes any record.
func (in *input) check() *puttest.Error {
	if !name.MatchString(in.StreamName) {
		return puttest.Refuse("ValidationException", "Value '%s' at 'streamName' failed to satisfy constraint", in.StreamName)
	}
	if n := len(in.Records); n < 1 || n > MaxRecords {
		return puttest.Refuse("ValidationException", "%d records at 'records': Member must have length from 1 to %d", n, MaxRecords)
	}
	total := 0
	for i, r := range in.Records {
		if r.Data == nil {
			return puttest.Refuse("ValidationException", "Value null at 'records.%d.member.data': Member must not be null", i+1)
		}
		if n := utf8.RuneCountInString(r.PartitionKey); n < 1 || n > MaxKey {
			return puttest.Refuse("ValidationException", "Value at 'records.%d.member.partitionKey': Member must have length from 1 to %d, not %d", i+1, MaxKey, n)
		}
		size := len(r.Data) + len(r.PartitionKey)
		if size > MaxRecord {
			return puttest.Refuse("ValidationException", "Value at 'records.%d.member.data': Member must have length less than or equal to %d, not %d", i+1, MaxRecord, size)
		}
		total += size
	}
	if total > MaxRequest {
		return puttest.Refuse("InvalidArgumentException", "Records size exceeds 5 MB limit")
	}
	return nil
}

func (s *Server) put(body []byte, faults puttest.Faults) (any, *puttest.Error) {
	var in input
	if err := puttest.Decode(body, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.streams[in.StreamName]; !ok {
		return nil, puttest.Refuse("ResourceNotFoundException", "Stream %s under account 111122223333 not found.", in.StreamName)
	}
	out := output{EncryptionType: "NONE"}
	for _, r := range in.Records {
		shard := ShardOf(r.PartitionKey, s.shards)
		id := fmt.Sprintf("shardId-%012d", shard)
		code, message := "", ""
		if faults.Record != nil {
			code, message = faults.Record(r.Data)
		}
		if s.throttled[shard] {
			code, message = "ProvisionedThroughputExceededException", "Rate exceeded for shard "+id+" in stream "+in.StreamName+" under account 111122223333."
		}
		if code != "" {
			out.FailedRecordCount++
			out.Records = append(out.Records, response{ErrorCode: code, ErrorMessage: message})
			continue
		}
		s.next++
		s.streams[in.StreamName] = append(s.streams[in.StreamName], Record{r.PartitionKey, r.Data, shard})
		out.Records = append(out.Records, response{SequenceNumber: fmt.Sprintf("%056d", s.next), ShardId: id})
	}
	return out, nil
}
