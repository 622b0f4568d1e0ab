package check

import (
	"fmt"
	"net"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// clients says what the records of a flow are whose tags clients choose.
func (s *Subject) clients(tag string) string {
	text := "records"
	if list := s.openInputs(); len(list) > 0 {
		text = "what clients send to " + enumerate(list)
	}
	if strings.ContainsAny(tag, "*?{^$") {
		text += " with a tag that matches " + tag
	} else {
		text += " with the tag " + tag
	}
	if len(s.logged()) > 0 && !s.incomplete() {
		text += "; no container's lines have such a tag"
	}
	return text
}

// openInputs are the inputs whose clients choose tags, with where they listen.
func (s *Subject) openInputs() (list []string) {
	for i := range s.Plan.Inputs {
		in := &s.Plan.Inputs[i]
		if _, fixed := s.fixedTag(i); fixed {
			continue
		}
		l, ok := in.Options.(input.Listener)
		if !ok {
			continue
		}
		for _, a := range l.Listens(s.Plan.Dialect) {
			list = append(list, fmt.Sprintf("%s (%s)", in.ID, listening(&in.Instance, a)))
		}
	}
	return list
}

// listening says where an input listens: a path, a port, or a port of an address that the configuration names.
func listening(in *config.Instance, a input.Address) string {
	host, port, err := net.SplitHostPort(a.Address)
	if a.Network == "unix" || err != nil || host != "localhost" {
		return a.Address
	}
	if g, ok := firstGiven(in, "listen", "bind"); ok {
		if own := strings.Trim(g.Value, `" `); own != "" {
			return net.JoinHostPort(own, port)
		}
	}
	return "port " + port
}

// position says where a tail keeps how far it has read, and what a restart does; "" for other inputs.
func (s *Subject) position(in *config.Input) string {
	if !strings.EqualFold(in.Name, "tail") {
		return ""
	}
	anew := "reads files that exist then from their end"
	if g, ok := firstGiven(&in.Instance, "read_from_head"); ok && isOn(g.Value) {
		anew = "reads all files from their beginning"
	}
	place := ""
	if g, ok := firstGiven(&in.Instance, "db", "pos_file"); ok {
		place = strings.Trim(g.Value, `" `)
	}
	for i := 0; i < len(s.Plan.Outputs) && place == ""; i++ { // beside the first queue on disk
		if q := s.queueOf(&s.Plan.Outputs[i]); !q.inMemory() {
			place = q.dir
		}
	}
	switch {
	case place == "":
		return "how far the files were read is not kept: a restart " + anew
	case s.Task == nil || s.Task.Router == nil:
		return "how far the files were read is kept in " + place + ": a restart continues there"
	}
	if m := mountOf(s.Task.Router, place); m != nil && s.lasts(m) {
		return fmt.Sprintf("how far the files were read is kept in %s, on the volume %q: a later task with the same volume continues there", place, m.Volume)
	}
	disk := "the container's own disk"
	if mountOf(s.Task.Router, place) != nil {
		disk, _ = s.ownDisk(place)
	}
	return "how far the files were read is kept in " + place + ", on " + disk + ": a later task " + anew
}
