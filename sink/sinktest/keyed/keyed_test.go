package keyed

import (
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{New: func(t *testing.T) sink.Destination {
		d, err := New(&Options{StreamKey: "stream"}, config.FluentBit, sink.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}})
}
