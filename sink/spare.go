package sink

// newPart is an empty part for the next records of a load.
func (l *loop) newPart(ld *load) *part {
	p := &part{}
	if n := len(l.spareParts); n > 0 {
		p, l.spareParts = l.spareParts[n-1], l.spareParts[:n-1]
	}
	p.clear()
	p.load, p.encoding = ld, true
	p.held = max(p.cost(), l.maxBytes)
	return p
}

// spare keeps a part's memory for the next one, unless it is larger than a part needs.
func (l *loop) spare(p *part) {
	if len(l.spareParts) < maxSpare && cap(p.req.Body) <= 2*l.maxBytes {
		p.load = nil
		l.spareParts = append(l.spareParts, p)
	}
}

// without takes p out of parts; the order changes.
func without(parts []*part, p *part) []*part {
	for i := range parts {
		if parts[i] == p {
			last := len(parts) - 1
			parts[i], parts[last] = parts[last], nil
			return parts[:last]
		}
	}
	return parts
}
