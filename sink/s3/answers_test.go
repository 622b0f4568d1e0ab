package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/sinktest"
)

// Each answer of a multipart upload has something that only a store can know: what lacks it stores nothing.
func TestAnswersWithoutWhatAStoreKnowsStoreNothing(t *testing.T) {
	newServer(t) // the credentials
	const id, part = `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`, `"1"`
	for name, answers := range map[string]struct{ begin, tag, end string }{
		"no upload id":                        {"", part, ""},
		"no tag of a part":                    {id, "", ""},
		"no tag at the end, but a page":       {id, part, "<html>Please sign in</html>"},
		"an error with the status of success": {id, part, "<Error><Code>InternalError</Code></Error>"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
					_, _ = io.WriteString(w, answers.begin)
				case r.Method == http.MethodPut:
					w.Header().Set("ETag", answers.tag)
				default:
					_, _ = io.WriteString(w, answers.end)
				}
			}))
			defer s.Close()
			store := newTestStore(t, options(s.URL, nil))
			defer store.Close()
			first := sinktest.Record("app", 1, "log", string(noise(minPart)))
			o := store.Create(first, gather.Start{Note: func(string, string) error { return nil }})
			body, err := store.Append(nil, first)
			if err != nil {
				t.Fatal(err)
			}
			r := o.Write(t.Context(), body)
			if r.Verdict == sink.Done {
				r = o.Finish(t.Context())
			}
			if r.Verdict != sink.Again || r.Err == nil {
				t.Errorf("got %+v, want nothing stored", r)
			}
		})
	}
}
