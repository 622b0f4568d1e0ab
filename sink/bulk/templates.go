package bulk

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// TemplateOptions are Fluentd's for templates, aliases and policies of its user.
type TemplateOptions struct {
	TemplateName      string `fluentd:"template_name" help:"name of the index template in template_file; it is installed in the background"`
	TemplateFile      string `fluentd:"template_file" help:"file with the index template, JSON"`
	TemplateOverwrite bool   `fluentd:"template_overwrite" default:"false" help:"replace a template of that name"`
	Templates         string `fluentd:"templates" help:"several templates, as {\"name\": \"file\"}; only without template_name"`
	CustomizeTemplate string `fluentd:"customize_template" help:"texts to replace in template_file, as {\"<<TAG>>\": \"web\"}; the new text in lower case"`
	LegacyTemplate    *bool  `fluentd:"use_legacy_template" help:"true: _template; false: _index_template; default: by what the file has"`

	RolloverIndex    bool   `fluentd:"rollover_index" default:"false" help:"with template_name: make the alias deflector_alias, or index_name, and its first index"`
	IndexDatePattern string `fluentd:"index_date_pattern" default:"now/d" help:"date math in the first index's name; \"\": none"`
	IndexSeparator   string `fluentd:"index_separator" default:"-" help:"between the parts of the first index's name"`
	IndexPrefix      string `fluentd:"index_prefix" help:"start of the first index's name; default: index_name"`
	DeflectorAlias   string `fluentd:"deflector_alias" help:"alias for rollover_index; default: index_name"`
	ApplicationName  string `fluentd:"application_name" default:"default" help:"part of the first index's name"`

	EnableILM          bool   `fluentd:"enable_ilm" default:"false" help:"with template_name: install the policy ilm_policy, and put it into the template; on OpenSearch as a policy of ISM"`
	ILMPolicyID        string `fluentd:"ilm_policy_id" default:"logstash-policy" help:"name of the policy"`
	ILMPolicy          string `fluentd:"ilm_policy" help:"the policy, JSON; default: another index after 30 days or 50 GB"`
	ILMPolicies        string `fluentd:"ilm_policies" help:"further policies, as {\"name\": policy}"`
	ILMPolicyOverwrite bool   `fluentd:"ilm_policy_overwrite" default:"false" help:"replace policies of these names"`
}

// maxTemplateFile is the largest template_file, in bytes.
const maxTemplateFile = 1 << 20

// defaultILMPolicy is what Fluentd's plugins install unless the user has a policy.
const defaultILMPolicy = `{"policy": {"phases": {"hot": {"actions": {"rollover": {"max_size": "50gb", "max_age": "30d"}}}}}}`

// checkTemplates reports mistakes that can be found without reading the files.
func (o *TemplateOptions) checkTemplates() error {
	for _, h := range []struct{ option, text string }{{"customize_template", o.CustomizeTemplate}, {"templates", o.Templates}} {
		if _, err := httpsend.ParseHash(h.option, h.text); err != nil {
			return err
		}
	}
	switch {
	case o.TemplateName != "" && o.TemplateFile == "":
		return &config.OptionError{Option: "template_name", Reason: "needs template_file"}
	case o.EnableILM && o.ILMPolicyID == "":
		return &config.OptionError{Option: "ilm_policy_id", Reason: "is empty; want the policy's name"}
	}
	var policy map[string]json.RawMessage
	if o.ILMPolicy != "" && (json.Unmarshal([]byte(o.ILMPolicy), &policy) != nil || policy["policy"] == nil) {
		return &config.OptionError{Option: "ilm_policy", Reason: `is not a policy; want {"policy": {"phases": …}}`}
	}
	if o.ILMPolicies != "" && json.Unmarshal([]byte(o.ILMPolicies), &policy) != nil {
		return &config.OptionError{Option: "ilm_policies", Reason: `is not a JSON object; want {"name": {"policy": …}}`}
	}
	return nil
}

// templateWarnings tells of options that have no effect without others, as in Fluentd.
func (o *TemplateOptions) templateWarnings() (w []string) {
	if o.TemplateName == "" {
		for _, set := range []struct {
			option string
			is     bool
		}{
			{"template_file", o.TemplateFile != ""}, {"rollover_index", o.RolloverIndex}, {"enable_ilm", o.EnableILM},
			{"customize_template", o.CustomizeTemplate != ""},
		} {
			if set.is {
				w = append(w, set.option+" has no effect without template_name and template_file")
			}
		}
	} else if o.Templates != "" {
		w = append(w, "templates has no effect beside template_name")
	}
	for _, t := range o.userTemplates() {
		if t.Err != nil {
			w = append(w, t.Err.Error()+": the template "+t.Name+" isn't installed")
		}
	}
	return w
}

// userTemplates reads the templates' files.
func (o *TemplateOptions) userTemplates() (list []sink.IndexTemplate) {
	if o.TemplateName != "" {
		changes, _ := httpsend.ParseHash("customize_template", o.CustomizeTemplate) // checked
		return append(list, o.readTemplate("template_file", o.TemplateName, o.TemplateFile, changes))
	}
	files, _ := httpsend.ParseHash("templates", o.Templates) // checked
	for _, f := range files {
		list = append(list, o.readTemplate("templates", f.Key, f.Value, nil))
	}
	return list
}

// retention is what the options ask for, nil for nothing. It reads the template files.
func (o *Options) retention(d config.Dialect) (*sink.Retention, error) {
	own, err := o.ownRetention(d)
	if err != nil {
		return nil, err
	}
	pattern, err := o.dashboardsPattern(own, d)
	if err != nil {
		return nil, err
	}
	r := &sink.Retention{Own: own, Serverless: o.serverless(), Templates: o.userTemplates(), Pattern: pattern}
	if o.TemplateName != "" {
		if err := o.addAlias(r); err != nil {
			return nil, err
		}
	}
	if r.Own == nil && len(r.Templates) == 0 {
		return nil, nil
	}
	return r, nil
}

// addAlias adds the alias and the policy of the template of template_name.
func (o *Options) addAlias(r *sink.Retention) error {
	t := &r.Templates[0]
	base := strings.ToLower(o.Index)
	if o.Logstash {
		base = strings.ToLower(o.LogstashPrefix)
	}
	if strings.ContainsAny(base, "$%<") && (o.RolloverIndex || o.EnableILM) {
		return &config.OptionError{Option: "rollover_index", Reason: "an alias and its policy need an index_name or logstash_prefix without placeholders"}
	}
	alias := ""
	if (o.RolloverIndex || o.EnableILM) && !o.Logstash {
		if alias = o.DeflectorAlias; alias == "" {
			alias = base
		}
		r.Alias = &sink.WriteAlias{Name: alias, Index: o.firstIndex(base)}
	}
	if o.EnableILM {
		t.Policy, t.Alias, t.Patterns = o.ILMPolicyID, alias, []string{base + o.IndexSeparator + "*"}
		if o.Logstash {
			t.Patterns = []string{base + o.LogstashSeparator + "*"}
		}
		text := o.ILMPolicy
		if text == "" {
			text = defaultILMPolicy
		}
		policy := sink.IndexPolicy{Overwrite: o.ILMPolicyOverwrite, Patterns: t.Patterns, Alias: alias}
		policy.Name, policy.Body = o.ILMPolicyID, []byte(text)
		r.Policies = append(r.Policies, policy)
		var more map[string]json.RawMessage
		if o.ILMPolicies != "" {
			_ = json.Unmarshal([]byte(o.ILMPolicies), &more) // checked
		}
		for _, name := range slices.Sorted(maps.Keys(more)) {
			policy.Name, policy.Body = name, more[name]
			policy.Patterns = nil // no template names it
			r.Policies = append(r.Policies, policy)
		}
	}
	return nil
}

// firstIndex is the name of the alias's first index, as Fluentd's plugins make it.
func (o *Options) firstIndex(base string) string {
	if o.IndexPrefix != "" {
		base = strings.ToLower(o.IndexPrefix)
	}
	name := base + o.IndexSeparator + strings.ToLower(o.ApplicationName)
	if o.IndexDatePattern != "" {
		name += "-{" + o.IndexDatePattern + "}"
	}
	return "<" + name + "-000001>"
}

// readTemplate reads a template's file, and replaces texts in it. A mistake in it is no reason not to deliver records.
func (o *TemplateOptions) readTemplate(option, name, file string, changes []config.Pair) sink.IndexTemplate {
	t := sink.IndexTemplate{Name: name, Overwrite: o.TemplateOverwrite}
	t.Body, t.Err = readLimited(file)
	if t.Err != nil {
		t.Err = &config.OptionError{Option: option, Reason: t.Err.Error()}
		return t
	}
	text := strings.ReplaceAll(string(t.Body), "\n", "")
	for _, c := range changes {
		if n := strings.Count(text, c.Key); c.Key != "" && len(text)+n*len(c.Value) <= maxTemplateFile {
			text = strings.ReplaceAll(text, c.Key, strings.ToLower(c.Value))
		} else if c.Key != "" {
			t.Err = &config.OptionError{Option: "customize_template", Reason: fmt.Sprintf("makes more than %d bytes of %s", maxTemplateFile, file)}
			return t
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Err = &config.OptionError{Option: option, Reason: fmt.Sprintf("%s is not a JSON object: %v", file, err)}
		return t
	}
	t.Legacy = !strings.HasPrefix(strings.TrimSpace(string(members["template"])), "{")
	if o.LegacyTemplate != nil {
		t.Legacy = *o.LegacyTemplate
	}
	t.Body = []byte(text)
	return t
}

// readLimited reads a file of at most maxTemplateFile bytes.
func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxTemplateFile+1))
	if err == nil && len(body) > maxTemplateFile {
		err = fmt.Errorf("%s has more than %d bytes", file, maxTemplateFile)
	}
	return body, err
}
