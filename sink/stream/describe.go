package stream

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *StdoutOptions) Describe(config.Dialect, time.Time) sink.Description {
	return sink.Description{Service: "standard output"}
}

// Describe implements sink.Describer.
func (o *NullOptions) Describe(config.Dialect, time.Time) sink.Description {
	return sink.Description{Service: "nowhere"}
}

// Describe implements sink.Describer.
func (o *FileOptions) Describe(d config.Dialect, now time.Time) sink.Description {
	n := sink.Name{What: "file", Option: "path", Zone: time.Local}
	text := o.Path
	if d == config.FluentBit {
		n.Zone, n.Option = nil, "file"
		name := o.File
		if name == "" {
			name = sink.Tag
		}
		text = o.Path + "/" + name
		if o.Path == "" {
			text = name
		}
	}
	return sink.Description{Service: "a file", Name: n.Fill(text, now, nil).String()}
}
