// Package retain installs what makes a cluster of OpenSearch or Elasticsearch keep logs well: an index template, and the policy
// that deletes old indices. It works beside the delivery of records, which never waits for it, but for a moment at the start if
// the first record would make an index where a data stream or an alias is wanted.
//
// document.go has the documents, marker.go tells what a person has changed, cluster.go speaks to the cluster, apply.go brings it
// to the wanted state, keeper.go does that in the background.
package retain

import (
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/sink"
)

const (
	// totalFields is how many fields an index may have. A text counts as two.
	totalFields = 2000
	// keywordLength is the longest text that is also indexed as a whole, in characters.
	keywordLength = 256
	// deepPath matches members at the third level and deeper: objects there are stored, and not indexed.
	deepPath = "*.*.*"
)

// object is a JSON object.
type object = map[string]any

// textField is the mapping of a text: its words, and as .keyword the whole.
func textField() object {
	return object{"type": "text", "norms": false, "fields": object{"keyword": object{"type": "keyword", "ignore_above": keywordLength}}}
}

// template is firelane's index template. lifecycle is the policy that it names, for Elasticsearch; "" for none.
func template(r *sink.OwnRetention, lifecycle string) object {
	index := object{
		"number_of_shards": r.Shards,
		"mapping": object{
			"total_fields": object{"limit": totalFields},
			// A value of another type than its field's is stored, and not indexed, instead of refusing the record.
			"ignore_malformed": true,
		},
	}
	if r.Replicas != nil {
		index["number_of_replicas"] = *r.Replicas
	}
	switch {
	case r.Refresh > 0:
		index["refresh_interval"] = timeText(r.Refresh)
	case r.Refresh < 0:
		index["refresh_interval"] = "-1"
	}
	if lifecycle != "" {
		index["lifecycle"] = object{"name": lifecycle}
	}
	timestamp := object{"type": "date"}
	if r.DataStream {
		timestamp["ignore_malformed"] = false // a data stream refuses a template that ignores it there
	}
	t := object{
		"index_patterns": r.Patterns,
		"priority":       r.Priority,
		"template": object{
			"settings": object{"index": index},
			"mappings": object{
				"date_detection":    false,
				"numeric_detection": false,
				"dynamic_templates": []any{
					object{"deep_objects": object{"match_mapping_type": "object", "path_match": deepPath, "mapping": object{"type": "object", "enabled": false}}},
					object{"texts": object{"match_mapping_type": "string", "mapping": textField()}},
					object{"flags": object{"match_mapping_type": "boolean", "mapping": object{"type": "keyword", "ignore_above": keywordLength}}},
				},
				"properties": object{"@timestamp": timestamp, "log": textField(), "message": textField()},
			},
		},
	}
	if r.DataStream {
		t["data_stream"] = object{}
	}
	return t
}

// A policy is what an index policy does.
type policy struct {
	deleteAfter string // such as 30d, from the creation, or from the rollover on Elasticsearch; "": never
	rollover    object // conditions, with Elasticsearch's names; nil: none
	patterns    []string
	priority    int
}

// own is firelane's policy; nil if nothing is to be deleted or rolled over.
func own(r *sink.OwnRetention) *policy {
	p := &policy{patterns: r.Patterns, priority: r.Priority}
	if r.Days > 0 {
		p.deleteAfter = fmt.Sprintf("%dd", r.Days)
	}
	if r.DataStream {
		p.rollover = object{"max_age": fmt.Sprintf("%dd", r.RolloverDays), "max_size": r.RolloverSize}
	}
	if p.deleteAfter == "" && p.rollover == nil {
		return nil
	}
	return p
}

// timeText is a duration as the servers read it.
func timeText(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
}

// ilm is the policy for Elasticsearch's index lifecycle management.
func (p *policy) ilm() object {
	hot := object{"min_age": "0ms", "actions": object{}}
	if p.rollover != nil {
		hot["actions"] = object{"rollover": p.rollover}
	}
	phases := object{"hot": hot}
	if p.deleteAfter != "" {
		phases["delete"] = object{"min_age": p.deleteAfter, "actions": object{"delete": object{}}}
	}
	return object{"phases": phases}
}

// ismConditions are ISM's names of the conditions of a rollover.
var ismConditions = map[string]string{
	"max_age": "min_index_age", "max_size": "min_size", "max_docs": "min_doc_count", "max_primary_shard_size": "min_primary_shard_size",
}

// ism is the policy for OpenSearch's index state management.
func (p *policy) ism() object {
	retry := object{"count": 3, "backoff": "exponential", "delay": "1m"} // what the server adds to every action
	actions := []any{}
	if p.rollover != nil {
		conditions := object{}
		for name, value := range p.rollover {
			if ism := ismConditions[name]; ism != "" {
				conditions[ism] = value
			}
		}
		actions = append(actions, object{"retry": retry, "rollover": conditions})
	}
	transitions, states := []any{}, []any{}
	if p.deleteAfter != "" {
		transitions = append(transitions, object{"state_name": "delete", "conditions": object{"min_index_age": p.deleteAfter}})
		states = append(states, object{"name": "delete", "actions": []any{object{"retry": retry, "delete": object{}}}, "transitions": []any{}})
	}
	states = append([]any{object{"name": "hot", "actions": actions, "transitions": transitions}}, states...)
	return object{
		"default_state": "hot",
		"states":        states,
		"ism_template":  []any{object{"index_patterns": p.patterns, "priority": p.priority}},
	}
}

// describe is what the policy does, for people.
func (p *policy) describe() string {
	var parts []string
	if p.rollover != nil {
		parts = append(parts, "begins another index by age and size")
	}
	if p.deleteAfter != "" {
		parts = append(parts, "deletes indices after "+strings.TrimSuffix(p.deleteAfter, "d")+" days")
	}
	return strings.Join(parts, ", ")
}

// young is how old an index may be that gets the policy although it was there before, if its name isn't known.
const young = 24 * time.Hour
