package cloudwatchtest

import (
	"fmt"
	"net/http"
	"unicode/utf8"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"
)

// OTLP is the name of a call of the OTLP endpoint in Options.Call and Calls. The endpoint is that of the page "OTLP Endpoints" of
// the Amazon CloudWatch User Guide, and of "Sending logs using the OTLP endpoint" of Amazon CloudWatch Logs.
const (
	OTLP     = "OTLP"
	otlpPath = "/v1/logs"
)

// otlp stores the records of a request. A record that is too old or too new is rejected alone.
func (s *Server) otlp(r *http.Request, body []byte) (answer []byte, no *refusal) {
	var q collector.ExportLogsServiceRequest
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaTypeException"}
	}
	if err := proto.Unmarshal(body, &q); err != nil {
		return nil, invalid("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[r.Header.Get("X-Aws-Log-Group")]
	if g == nil {
		return nil, missing("group")
	}
	st := g.streams[r.Header.Get("X-Aws-Log-Stream")]
	if st == nil {
		return nil, missing("stream")
	}
	now := s.opts.Now()
	var reply collector.ExportLogsServiceResponse
	old, ahead := 0, 0
	for _, resource := range q.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, rec := range scope.LogRecords {
				text := rec.GetBody().GetStringValue()
				if rec.TimeUnixNano == 0 || rec.ObservedTimeUnixNano == 0 || text == "" || !utf8.ValidString(text) {
					return nil, invalid("a record has no time or no text")
				}
				ms := int64(rec.TimeUnixNano / 1e6)
				switch {
				case ms < now.Add(-maxAge).UnixMilli():
					old++
				case ms > now.Add(maxAhead).UnixMilli():
					ahead++
				default:
					st.events = append(st.events, Event{ms, text})
					st.count++
					s.stored++
				}
			}
		}
	}
	if old+ahead > 0 {
		reply.PartialSuccess = &collector.ExportLogsPartialSuccess{
			RejectedLogRecords: int64(old + ahead),
			ErrorMessage:       fmt.Sprintf(`{"tooOldLogEventCount": %d, "tooNewLogEventCount": %d, "expiredLogEventCount": 0}`, old, ahead),
		}
	}
	answer, err := proto.Marshal(&reply)
	if err != nil {
		return nil, &refusal{status: http.StatusInternalServerError, code: "InternalServerError", message: err.Error()}
	}
	return answer, nil
}
