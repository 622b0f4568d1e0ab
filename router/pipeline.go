package router

// A Pipeline names the parts of the configuration that is running, in its order, without their options.
type Pipeline struct {
	Dialect string
	Files   []string // of the configuration
	Inputs  []PipelinePart
	Steps   []PipelinePart
	Outputs []PipelinePart
}

// A PipelinePart is an input, a filter or an output.
type PipelinePart struct {
	ID    string `json:"id"`
	Type  string `json:"type"`            // the plugin's name
	Match string `json:"match,omitempty"` // as written
}

// Pipeline returns the parts.
func (r *Router) Pipeline() Pipeline {
	plan := r.current.Load().plan
	p := Pipeline{Dialect: plan.Dialect.String(), Files: plan.Files}
	for i := range plan.Inputs {
		p.Inputs = append(p.Inputs, PipelinePart{ID: plan.Inputs[i].ID, Type: plan.Inputs[i].Name})
	}
	for i := range plan.Filters {
		f := &plan.Filters[i]
		part := PipelinePart{ID: f.ID, Type: f.Name, Match: f.Match}
		if f.Select {
			part.Type = "condition"
		}
		p.Steps = append(p.Steps, part)
	}
	for i := range plan.Outputs {
		p.Outputs = append(p.Outputs, PipelinePart{ID: plan.Outputs[i].ID, Type: plan.Outputs[i].Name, Match: plan.Outputs[i].Match})
	}
	return p
}
