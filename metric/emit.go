package metric

// An Emitter calls See with one sample after another, in the same memory. Labels are names and values in turn.
type Emitter struct {
	See func(*Sample)

	sample Sample
}

func (e *Emitter) prepare(name, help string, labels []string) *Sample {
	s := &e.sample
	*s = Sample{Name: name, Help: help, Labels: s.Labels[:0], Points: s.Points[:0]}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels = append(s.Labels, Label{labels[i], labels[i+1]})
	}
	return s
}

// Emit emits a sample of a kind that has one value.
func (e *Emitter) Emit(kind Kind, name, help string, value float64, labels ...string) {
	s := e.prepare(name, help, labels)
	s.Kind, s.Value = kind, value
	e.See(s)
}

// Counter emits a counter.
func (e *Emitter) Counter(name, help string, value float64, labels ...string) {
	e.Emit(Counter, name, help, value, labels...)
}

// Gauge emits a gauge.
func (e *Emitter) Gauge(name, help string, value float64, labels ...string) {
	e.Emit(Gauge, name, help, value, labels...)
}

// Times emits a histogram of durations.
func (e *Emitter) Times(name, help string, t *Times, labels ...string) {
	s := e.prepare(name, help, labels)
	t.Fill(s)
	e.See(s)
}
