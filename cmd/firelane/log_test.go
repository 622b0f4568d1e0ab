package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestMessageIsTheFirstMemberOfALogLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(zerolog.Logger)
		want  string // what the line begins and ends with
	}{
		{"plain", func(l zerolog.Logger) { l.Info().Int("records", 3).Msg("delivered") }, `{"message":"delivered","level":"info","records":3,"time":"`},
		{"quoted key in a field", func(l zerolog.Logger) { l.Info().Str("text", `,"message":"`).Msg(`a "b"`) }, `{"message":"a \"b\"","level":"info","text":",\"message\":\"","time":"`},
		{"message in an object", func(l zerolog.Logger) {
			l.Info().Dict("d", zerolog.Dict().Int("a", 1).Str("message", "inner")).Msg("x")
		}, `{"message":"x","level":"info","d":{"a":1,"message":"inner"},"time":"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.write(newLogger(&out, false))
			if got := out.String(); !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, "\"}\n") || strings.Count(got, "\n") != 1 {
				t.Errorf("got  %q\nwant %q…", got, tt.want)
			}
		})
	}
}
