package enrich

// A Live stage does more than change records, or depends on when they come. Who only wants to know what becomes of a record, and
// has no stream of them, leaves it out.
type Live interface {
	// Live says what it does, as the end of a sentence: "limits a rate".
	Live() string
}

// LiveReason returns what Live says of a stage that is Live, also under a condition; "" for all others.
func LiveReason(s Stage) string {
	if l, ok := Find[Live](s); ok {
		return l.Live()
	}
	return ""
}

const limitsRate = "limits a rate"

// Live implements the interface Live.
func (t *throttle) Live() string { return limitsRate }

// Live implements the interface Live.
func (t *throttleSize) Live() string { return limitsRate }
