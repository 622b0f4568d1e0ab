package router

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestALevelOfAPluginReplacesThatOfTheLog(t *testing.T) {
	for _, c := range []struct {
		all         zerolog.Level
		own         string
		shown, lost []string
	}{
		{zerolog.InfoLevel, "", []string{"info", "warn", "error"}, []string{"debug"}},
		{zerolog.InfoLevel, "debug", []string{"debug", "info", "warn", "error"}, []string{"trace"}},
		{zerolog.InfoLevel, "error", []string{"error"}, []string{"info", "warn"}},
		{zerolog.ErrorLevel, "warning", []string{"warn", "error"}, []string{"info"}},
		{zerolog.InfoLevel, "off", nil, []string{"info", "error"}},
	} {
		var out bytes.Buffer
		r := &Router{log: zerolog.New(&out).Sample(partLevel(c.all)), logs: make(map[string]*limitedLog)}
		log := r.partLog("output", "es.0", c.own)
		log.Trace().Msg("")
		log.Debug().Msg("")
		log.Info().Msg("")
		log.Warn().Msg("")
		log.Error().Msg("")
		for _, level := range c.shown {
			if !strings.Contains(out.String(), `"level":"`+level+`","output":"es.0"`) {
				t.Errorf("level %v, own level %q: got %s, want a line of level %s", c.all, c.own, out.String(), level)
			}
		}
		for _, level := range c.lost {
			if strings.Contains(out.String(), `"level":"`+level+`"`) {
				t.Errorf("level %v, own level %q: got %s, want no line of level %s", c.all, c.own, out.String(), level)
			}
		}
	}
}
