package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/sink"
)

// A drawing is a picture of a subject in text.
type drawing struct {
	*page
	s     *Subject
	start int          // of the picture in the page
	seen  map[int]bool // the outputs that have been described

	feeds   map[int]feed // what the records of each output come from
	several bool         // records get to more than one output

	// What has been described, and of which output, container or input it is.
	queues  map[string]string
	full    map[string]string
	drivers map[driver]string
	steps   map[string]string
}

// picture draws what will happen to each line.
func (s *Subject) picture(p *page, findings []Finding) {
	d := drawing{page: p, s: s, start: p.Len(), seen: map[int]bool{}, queues: map[string]string{}, full: map[string]string{}, drivers: map[driver]string{}, steps: map[string]string{}}
	if s.Task != nil && s.Task.Router == nil {
		p.wrap("", "", "The task definition has no log router: no line goes through firelane.")
		p.line("")
		return
	}
	if len(s.Errors) > 0 || s.Plan == nil {
		p.wrap("", "", unusable(findings))
		p.line("")
		return
	}
	for _, text := range s.headings(findings) {
		p.wrap("", "", text)
		p.line("")
	}
	flows, short := s.flows()
	d.feeds = s.feeds(flows)
	d.several = s.several(d.feeds)
	for i := range flows {
		if d.Len()-d.start > maxPicture {
			p.wrap("", "", fmt.Sprintf("... (the picture has more than 256 KiB: the rest, %s, is left out)", count(len(flows)-i, "way")))
			p.line("")
			break
		}
		d.flow(&flows[i])
		p.line("")
	}
	if short {
		p.wrap("", "", "... (there are more ways than a picture has: the rest is left out)")
		p.line("")
	}
	if len(flows) == 0 {
		p.wrap("", "", s.noFlow())
		p.line("")
	}
	d.ends()
}

// flow draws one flow.
func (d *drawing) flow(f *flow) {
	switch {
	case f.drv != nil:
		d.wrap("", "    ", enumerate(f.from)+" (stdout and stderr)")
		text := f.drv.String()
		if like := d.drivers[*f.drv]; like != "" {
			text = "as that of " + like
		} else {
			d.drivers[*f.drv] = f.from[0]
		}
		d.wrap(" |  ", " |  ", "log driver: "+text)
		d.line(" v")
		d.line(d.router())
	case f.from[0] == "clients":
		d.wrap("", "    ", d.s.clients(f.tag))
	case f.from[0] == nobody:
		d.wrap("", "    ", d.outputsOf(f)+" gets no records: no input gives records a tag that "+f.tag+" takes")
	default:
		d.wrap("", "    ", f.from[0]+" (tag "+f.tag+")"+d.s.off(f.from[0]))
		if text := d.s.position(&d.s.Plan.Inputs[f.input]); text != "" {
			d.wrap(" |  ", " |  ", text)
		}
	}
	if d.stepsAgain(f) {
		f.route.Filters = nil
	}
	d.route(" ", f.route, f.again, 0)
}

// stepsAgain says that a flow has the steps of one before it; ok is false if it has others.
func (d *drawing) stepsAgain(f *flow) (ok bool) {
	key := fmt.Sprint(f.route.Filters)
	like, ok := d.steps[key]
	if n := len(f.route.Filters); ok && n > 0 {
		text := "1. as for " + like
		if n > 1 {
			text = fmt.Sprintf("1. to %d. as for %s", n, like)
		}
		d.line(" |  " + clean(text))
		return true
	}
	d.steps[key] = f.from[0]
	if f.from[0] == "clients" || f.from[0] == nobody {
		d.steps[key] = "the tag " + f.tag
	}
	return false
}

// router is the name of the log router.
func (d *drawing) router() string {
	if d.s.Task != nil && d.s.Task.Router != nil {
		return clean(d.s.Task.Router.Name.Text)
	}
	return "router"
}

// maxPicture is how many bytes a picture has, without what begins before.
const maxPicture = 256 << 10

// route draws the steps of a route and what follows; indent is what each of its lines begins with.
func (d *drawing) route(indent string, r config.Route, list []again, depth int) {
	if d.Len()-d.start > maxPicture {
		d.wrap(indent+"|  ", indent+"|  ", "... (the picture has more than 256 KiB: the rest is left out)")
		return
	}
	for i, filter := range r.Filters {
		d.step(indent, i+1, &d.s.Plan.Filters[filter])
	}
	own := 0
	for i := range list {
		if list[i].step >= 0 || depth == 0 {
			own++
		}
	}
	left := len(r.Outputs) + len(r.Next) + own
	if left == 0 {
		d.line(indent + "|")
		text := "nowhere: no output takes these lines; they are dropped, and counted as unrouted"
		switch {
		case d.s.Task != nil && len(d.s.Task.Problems) > 0:
			text = "no output is left for these lines: see the errors below"
		case d.s.incomplete():
			text = "nowhere that is known here: what isn't checked (see the notes) may have an output that takes these lines"
		}
		d.wrap(indent+"+-> ", indent+"    ", text)
		return
	}
	branch := func(draw func(head, rest string)) {
		left--
		rest := indent + "|   "
		if left == 0 {
			rest = indent + "    "
		}
		d.line(indent + "|")
		draw(indent+"+-> ", rest)
	}
	for _, o := range r.Outputs {
		branch(func(head, rest string) { d.output(head, rest, o) })
	}
	for i, next := range r.Next {
		branch(func(head, rest string) { d.next(head, rest, &r, i, next, depth) })
	}
	for i := range list {
		if a := &list[i]; a.step >= 0 || depth == 0 {
			branch(func(head, rest string) {
				d.wrap(head, rest, fmt.Sprintf("where %s: tag %s%s, and from the first filter again", a.new.For, strings.ReplaceAll(a.tag, taskID, "*"), inLabel(a.new.Label)))
				d.route(rest, a.route, a.again, depth+1)
			})
		}
	}
}

func inLabel(label string) string {
	if label == "" {
		return ""
	}
	return ", label " + label
}

// next draws a route that begins after the steps of another.
func (d *drawing) next(head, rest string, r *config.Route, i int, next config.Route, depth int) {
	text := "a copy"
	switch {
	case len(r.Turns) > 0:
		n := 0
		for _, turn := range r.Turns {
			if turn == i {
				n++
			}
		}
		text = fmt.Sprintf("in turn: %d of %s", n, count(len(r.Turns), "record"))
	case next.Tag != "":
		text = "with the tag " + next.Tag
	case len(next.Filters) == 0 && len(next.Outputs) == 1 && len(next.Next) == 0:
		d.output(head, rest, next.Outputs[0])
		return
	}
	d.wrap(head, rest, text)
	d.route(rest, next, nil, depth+1)
}

// stepText is how many characters of a step's options are shown, and optionText how many of one of them.
const (
	stepText   = 240
	optionText = 60
)

// written says how a configuration calls a plugin, if that isn't the name in the plugin's ID.
func written(in *config.Instance, d config.Dialect) string {
	names, option := in.Plugin.FluentBit, "Name "
	if d == config.Fluentd {
		names, option = in.Plugin.Fluentd, "@type "
	}
	if len(names) == 0 || strings.EqualFold(names[0], in.Name) || !strings.HasPrefix(in.ID, names[0]+".") {
		return ""
	}
	return option + in.Name + ", "
}

// step draws one filter.
func (d *drawing) step(indent string, n int, f *config.Filter) {
	text := "keeps the records for which " // Select
	name := "condition"
	if f.Plugin != nil {
		name, text = f.Name, f.Plugin.Help
	}
	var options []string
	for _, g := range f.Given {
		if !g.Unknown && !slices.Contains([]string{"name", "match", "match_regex", "@type", "alias", "@id"}, strings.ToLower(g.Name)) {
			options = append(options, short(hide(strings.TrimSpace(g.Name+" "+shown(g))), optionText))
		}
	}
	if names := metadata(f); len(names) > 0 && d.s.Place(f.Pos).Path != "" { // not one of a file
		text, options = "adds "+enumerate(names)+", whose values ECS writes into the configuration when the task starts", nil
	}
	if f.When != nil {
		text += ", when " + f.When.String()
	}
	if len(options) > 0 {
		text += ": " + short(strings.Join(options, "; "), stepText)
	}
	if at := d.s.Place(f.Pos); at.Line > 0 {
		text += " (" + where(at) + ")"
	}
	first := fmt.Sprintf("%s|  %d. ", indent, n)
	d.wrap(first, indent+"|"+strings.Repeat(" ", len(first)-len(indent)-1), name+": "+text)
}

// shown is the value of an option, without a secret.
func shown(g config.Given) string {
	if g.Secret && g.Value != "" {
		return hidden
	}
	return g.Value
}

// where is a place in one word, for people.
func where(at taskdef.Place) string {
	if at.Path != "" {
		return at.Path
	}
	return fmt.Sprintf("%s:%d", at.File, at.Line)
}

// output draws an output.
func (d *drawing) output(head, rest string, n int) {
	o := &d.s.Plan.Outputs[n]
	if d.seen[n] {
		d.wrap(head, rest, o.ID+", as above")
		return
	}
	d.seen[n] = true
	to := d.s.describe(n)
	what := to.Service
	if what == "" {
		what = o.Plugin.Help
	}
	d.wrap(head, rest, o.ID+": "+what+" ("+written(&o.Instance, d.s.Plan.Dialect)+where(d.s.Place(o.Pos))+")")
	if d.s.isNowhere(n) {
		return
	}
	field := func(name, text string) {
		if text != "" {
			d.wrap(rest+fmt.Sprintf("%-9s", name), rest+strings.Repeat(" ", 9), text)
		}
	}
	if names, assumed := d.s.placeholders(d.s.Place(o.Pos)); len(names) > 0 {
		field("unknown", enumerate(names)+": known only when the file is applied; assumed here: "+enumerate(assumed))
	}
	field("to", address(&to))
	field("writes", to.Name)
	if len(to.Servers) > 0 {
		field("sign-in", cmp.Or(d.s.signIn(o, to.SignIn), "none"))
		field("TLS", tls(to.Servers))
	}
	q := d.s.queueOf(o)
	like := "one of its own, like that of "
	if q.inMemory() {
		like = "in memory, like that of "
	}
	field("queue", orLike(d.queues, q.where(), o.ID, like))
	field("if full", orLike(d.full, full(&q, d.feeds[n], d.several), o.ID, "as for "))
}

// orLike returns a text, or if an output before this one has the same, like and which one that is.
func orLike(before map[string]string, text, id, like string) string {
	if other, ok := before[text]; ok {
		return like + other
	}
	before[text] = id
	return text
}

// outputsOf names the outputs of a flow.
func (d *drawing) outputsOf(f *flow) string {
	var ids []string
	follow(f.route, func(int) {}, func(o int) { ids = append(ids, d.s.Plan.Outputs[o].ID) })
	return enumerate(ids)
}

// ends draws what happens at a stop and a kill, and what doesn't go through the router.
func (d *drawing) ends() {
	before := d.Len()
	field := func(name, text string) {
		if text != "" {
			d.wrap(name+": ", "    ", text)
		}
	}
	if memory, own, volume := d.s.queues(); memory+own+volume != "" {
		field("at a stop", d.s.atStop())
		field("at a kill", d.s.atKill())
	}
	if d.s.Task != nil && d.s.Task.Definition != nil {
		for i := range d.s.Task.Containers {
			if c := &d.s.Task.Containers[i]; !usesFireLens(c) {
				field(d.s.beside(c))
			}
		}
	}
	if d.Len() > before {
		d.line("")
	}
}

// describe says where an output's records go, as far as it tells.
func (s *Subject) describe(output int) sink.Description {
	if o, ok := s.Plan.Outputs[output].Options.(sink.Describer); ok {
		to := o.Describe(s.Plan.Dialect, s.Now)
		to.URL = config.HideLogins(to.URL)
		return to
	}
	return sink.Description{}
}

// isNowhere reports whether an output's records are thrown away on purpose.
func (s *Subject) isNowhere(output int) bool {
	return strings.HasPrefix(s.Plan.Outputs[output].Plugin.Help, "nowhere")
}
