package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// retention asks which policy deletes old indices.
func (c *cluster) retention(ctx context.Context) {
	switch {
	case c.Search.Serverless:
		c.note("retention", "a collection has its own lifecycle policies, which are not asked for here")
	case c.flavour == "elasticsearch":
		c.lifecycle(ctx)
	default:
		c.stateManagement(ctx)
	}
}

// noPolicy says that nothing deletes old indices.
func (c *cluster) noPolicy(fix string) {
	if c.Search.Dynamic {
		c.note("retention", "not known whether a policy deletes old indices: none covers %s, but the names depend on the record", c.name)
		return
	}
	c.warn("retention", fix, "no policy deletes %s when it is old: indices stay until the disks or the shards are full", c.name)
}

// An ismPolicy is a policy of OpenSearch's Index State Management.
type ismPolicy struct {
	ID       string     `json:"policy_id"`
	Template ismMatches `json:"ism_template"`
	Default  string     `json:"default_state"`
	States   []struct {
		Name        string                       `json:"name"`
		Actions     []map[string]json.RawMessage `json:"actions"`
		Transitions []struct {
			To         string `json:"state_name"`
			Conditions struct {
				Age string `json:"min_index_age"`
			} `json:"conditions"`
		} `json:"transitions"`
	} `json:"states"`
}

// ismMatches says which new indices a policy is for; some versions write one object, others a list.
type ismMatches []struct {
	Patterns patterns `json:"index_patterns"`
	Priority count    `json:"priority"`
}

func (m *ismMatches) UnmarshalJSON(b []byte) error {
	type list ismMatches
	if strings.HasPrefix(strings.TrimSpace(string(b)), "{") {
		b = slices.Concat([]byte("["), b, []byte("]"))
	}
	return json.Unmarshal(b, (*list)(m))
}

// deletion says after what age the policy deletes; "" if it never does.
func (p *ismPolicy) deletion() string {
	for _, s := range p.States {
		deletes := slices.ContainsFunc(s.Actions, func(a map[string]json.RawMessage) bool { return a["delete"] != nil })
		if !deletes {
			continue
		}
		for _, from := range p.States {
			for _, t := range from.Transitions {
				if t.To == s.Name {
					return cmp.Or(t.Conditions.Age, "a condition that isn't its age")
				}
			}
		}
		if s.Name == p.Default {
			return "0d"
		}
	}
	return ""
}

// stateManagement asks OpenSearch's Index State Management.
func (c *cluster) stateManagement(ctx context.Context) {
	var list struct {
		Policies []struct {
			ID     string    `json:"_id"`
			Policy ismPolicy `json:"policy"`
		} `json:"policies"`
	}
	status, ok := c.get(ctx, http.MethodGet, "/_plugins/_ism/policies", "size=1000", "", &list, "the retention policies (ISM)")
	if !ok {
		if status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
			c.note("retention", "not known: this server has no Index State Management, so that something else must delete old indices")
		}
		return
	}
	id := ""
	if c.exists {
		if id, ok = c.explain(ctx); !ok {
			return
		}
	}
	var policy *ismPolicy
	best := count(-1)
	for i := range list.Policies {
		p := &list.Policies[i]
		p.Policy.ID = cmp.Or(p.ID, p.Policy.ID)
		if id != "" {
			if p.Policy.ID == id {
				policy = &p.Policy
			}
			continue
		}
		for _, t := range p.Policy.Template {
			if !c.exists && t.Patterns.match(c.sample) && t.Priority > best {
				best, policy = t.Priority, &p.Policy
			}
		}
	}
	switch {
	case policy == nil && id != "":
		c.note("retention", "the ISM policy %s is attached to %s; not known what it does", id, c.name)
	case policy == nil:
		c.noPolicy("write firelane_bootstrap On and firelane_days 30, or make an ISM policy that deletes after, for example, 30 days, with an ism_template that covers it; that is for new indices, and to those that exist it must be added by hand")
	case policy.deletion() == "":
		c.warn("retention", "add a state with the action delete, and a transition to it", "the ISM policy %s covers %s, but deletes nothing", policy.ID, c.name)
	default:
		c.ok("retention", "the ISM policy %s covers %s, and deletes it after %s", policy.ID, c.name, policy.deletion())
	}
}

// explain asks which policy is attached to an index that exists; "" for none.
func (c *cluster) explain(ctx context.Context) (id string, ok bool) {
	var answer map[string]json.RawMessage
	const what = "which retention policy today's index has"
	if status, ok := c.get(ctx, http.MethodGet, "/_plugins/_ism/explain/"+url.PathEscape(c.sample), "", "", &answer, what); !ok {
		if status == http.StatusBadRequest || status == http.StatusNotFound {
			c.unknown = append(c.unknown, unknown{what, fmt.Sprintf("the server answers %d", status)})
		}
		return "", false
	}
	for _, raw := range answer {
		var state struct {
			ID  string `json:"policy_id"`
			New string `json:"index.plugins.index_state_management.policy_id"`
			Old string `json:"index.opendistro.index_state_management.policy_id"`
		}
		if json.Unmarshal(raw, &state) == nil { // the answer has numbers, too
			id = cmp.Or(id, state.ID, state.New, state.Old)
		}
	}
	return id, true
}

// lifecycle asks Elasticsearch's Index Lifecycle Management.
func (c *cluster) lifecycle(ctx context.Context) {
	if c.policy == "" {
		status, _ := c.get(ctx, http.MethodGet, "/_ilm/status", "", "", new(struct{}), "the retention policies (ILM)")
		switch {
		case status == http.StatusOK:
			c.noPolicy("write firelane_bootstrap On and firelane_days 30, or make an ILM policy that deletes after, for example, 30 days, and name it in the index template (index.lifecycle.name)")
		case status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
			c.note("retention", "not known: this server has no Index Lifecycle Management, so that something else must delete old indices")
		}
		return
	}
	var list map[string]struct {
		Policy struct {
			Phases map[string]struct {
				Age string `json:"min_age"`
			} `json:"phases"`
		} `json:"policy"`
	}
	status, ok := c.get(ctx, http.MethodGet, "/_ilm/policy/"+url.PathEscape(c.policy), "", "", &list, "the retention policies (ILM)")
	phase, deletes := list[c.policy].Policy.Phases["delete"]
	switch {
	case status == http.StatusNotFound:
		c.fail("retention", "make the policy, or correct index.lifecycle.name in the index template", "the index template names the ILM policy %s, which doesn't exist", c.policy)
	case !ok:
	case !deletes:
		c.warn("retention", "add a phase delete", "the ILM policy %s covers %s, but deletes nothing", c.policy, c.name)
	default:
		c.ok("retention", "the ILM policy %s covers %s, and deletes it after %s", c.policy, c.name, cmp.Or(phase.Age, "0ms"))
	}
}
